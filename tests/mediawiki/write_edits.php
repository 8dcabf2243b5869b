<?php
/**
 * Writes edits by different people: reads {"users": [{"name", "registration", "groups", "editcount"}],
 * "edits": [{"title", "user", "text", "comment", "minor"}]} from standard input, creates the users, and saves
 * the edits in order. A user that is not among the users is an address, so the edit is anonymous. Prints a JSON
 * list of the revisions' ids.
 */
require_once '/usr/share/mediawiki/maintenance/Maintenance.php';

use MediaWiki\MediaWikiServices;
use MediaWiki\Revision\SlotRecord;

class WriteEdits extends Maintenance {

	private array $users = [];

	public function execute() {
		$input = json_decode( file_get_contents( 'php://stdin' ), true, 512, JSON_THROW_ON_ERROR );
		$database = $this->getDB( DB_PRIMARY );
		$this->beginTransaction( $database, __METHOD__ );
		foreach ( $input['users'] as $user ) {
			$this->register( $user );
		}
		$ids = array_map( [ $this, 'save' ], $input['edits'] );
		$this->commitTransaction( $database, __METHOD__ );
		DeferredUpdates::doUpdates();
		// Saving edits has counted them.
		foreach ( $input['users'] as $user ) {
			$this->remember( $user );
		}
		$this->output( json_encode( $ids ) );
	}

	private function register( array $user ): void {
		$made = User::createNew( $user['name'] );
		if ( !$made ) {
			$this->fatalError( "{$user['name']} exists" );
		}
		$groups = MediaWikiServices::getInstance()->getUserGroupManager();
		foreach ( $user['groups'] as $group ) {
			$groups->addUserToGroup( $made, $group );
		}
		$this->users[$user['name']] = $made;
	}

	private function remember( array $user ): void {
		$database = $this->getDB( DB_PRIMARY );
		$database->update(
			'user',
			[
				'user_registration' => $database->timestamp( $user['registration'] ),
				'user_editcount' => $user['editcount'],
			],
			[ 'user_id' => $this->users[$user['name']]->getId() ],
			__METHOD__
		);
	}

	private function save( array $edit ): int {
		$title = Title::newFromTextThrow( $edit['title'] );
		$services = MediaWikiServices::getInstance();
		$user = $this->users[$edit['user']] ?? $services->getUserFactory()->newAnonymous( $edit['user'] );
		$updater = $services->getWikiPageFactory()->newFromTitle( $title )->newPageUpdater( $user )
			->setContent( SlotRecord::MAIN, ContentHandler::makeContent( $edit['text'], $title ) );
		$revision = $updater->saveRevision(
			CommentStoreComment::newUnsavedComment( $edit['comment'] ),
			EDIT_SUPPRESS_RC | ( $edit['minor'] ? EDIT_MINOR : 0 )
		);
		if ( !$revision ) {
			$this->fatalError( "$title: no new revision. " . $updater->getStatus() );
		}
		return $revision->getId();
	}
}

$maintClass = WriteEdits::class;
require_once RUN_MAINTENANCE_IF_MAIN;
