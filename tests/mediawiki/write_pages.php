<?php
/**
 * Writes pages: reads a JSON list of {"title", "revisions": [text, ...], "deleted"} from standard
 * input and saves the revisions in order, each as an edit would.
 */
require_once '/usr/share/mediawiki/maintenance/Maintenance.php';

use MediaWiki\MediaWikiServices;
use MediaWiki\Revision\SlotRecord;

class WritePages extends Maintenance {

	private User $user;

	public function execute() {
		$this->user = User::newSystemUser( 'Corpus', [ 'steal' => true ] );
		$pages = json_decode( file_get_contents( 'php://stdin' ), true, 512, JSON_THROW_ON_ERROR );
		// One transaction for all, or SQLite commits some ten times for each page.
		$database = $this->getDB( DB_PRIMARY );
		$this->beginTransaction( $database, __METHOD__ );
		foreach ( $pages as $page ) {
			$this->write( $page );
		}
		$this->commitTransaction( $database, __METHOD__ );
		DeferredUpdates::doUpdates();
	}

	private function write( array $page ): void {
		$title = Title::newFromTextThrow( $page['title'] );
		foreach ( $page['revisions'] as $text ) {
			$this->save( $title, $text );
		}
		if ( $page['deleted'] ) {
			$this->delete( $title );
		}
	}

	private function save( Title $title, string $text ): void {
		$updater = MediaWikiServices::getInstance()->getWikiPageFactory()->newFromTitle( $title )
			->newPageUpdater( $this->user )
			->setContent( SlotRecord::MAIN, ContentHandler::makeContent( $text, $title ) );
		$updater->saveRevision( CommentStoreComment::newUnsavedComment( '' ), EDIT_SUPPRESS_RC );
		if ( !$updater->wasSuccessful() ) {
			$this->fatalError( "$title: " . $updater->getStatus() );
		}
	}

	private function delete( Title $title ): void {
		$services = MediaWikiServices::getInstance();
		$page = $services->getWikiPageFactory()->newFromTitle( $title );
		$status = $services->getDeletePageFactory()->newDeletePage( $page, $this->user )
			->deleteUnsafe( '' );
		if ( !$status->isOK() ) {
			$this->fatalError( "$title: $status" );
		}
	}
}

$maintClass = WritePages::class;
require_once RUN_MAINTENANCE_IF_MAIN;
