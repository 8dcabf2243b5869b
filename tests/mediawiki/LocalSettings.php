<?php
/**
 * Settings of a farm of wikis in one directory, chosen by the Host header, as Wikimedia's are.
 *
 * The farm's directory holds a copy of this file. Scripts choose their wiki through the environment
 * variable HTTP_HOST, which PHP puts where a web server puts the header.
 */
if ( !defined( 'MEDIAWIKI' ) ) {
	exit;
}

$farmLanguages = [ 'en', 'fi', 'de' ];
$farmHost = preg_replace( '/:\d+$/', '', $_SERVER['HTTP_HOST'] ?? '' );
if ( $farmHost === '127.0.0.1' || $farmHost === 'localhost' ) {
	$farmHost = 'en.wikipedia.org';
}
if (
	!preg_match( '/^([a-z]+)\.wikipedia\.org$/', $farmHost, $farmMatch ) ||
	!in_array( $farmMatch[1], $farmLanguages )
) {
	http_response_code( 404 );
	header( 'Content-Type: text/plain' );
	exit( "Domain not configured: $farmHost\n" );
}

$wgLanguageCode = $farmMatch[1];
$wgDBname = "{$wgLanguageCode}wiki";
$wgSitename = 'Wikipedia';
$wgServer = "https://$farmHost";
$wgScriptPath = '/w';
$wgArticlePath = '/wiki/$1';
$wgSecretKey = 'a test wiki has no secret';

$wgDBtype = 'sqlite';
$wgSQLiteDataDir = __DIR__ . '/data';
// The wiki does not outlive the tests, so nothing needs to reach the disk.
$farmDatabase = static fn ( string $name ) => [
	'type' => 'sqlite',
	'dbname' => $name,
	'tablePrefix' => '',
	'variables' => [ 'synchronous' => 'OFF' ],
	'dbDirectory' => __DIR__ . '/data',
	'trxMode' => 'IMMEDIATE',
	'flags' => 0,
];
$wgDBservers = [ [ 'load' => 1, 'flags' => DBO_DEFAULT ] + $farmDatabase( $wgDBname ) ];
$wgObjectCaches[CACHE_DB] = [
	'class' => SqlBagOStuff::class,
	'loggroup' => 'SQLBagOStuff',
	'server' => $farmDatabase( 'wikicache' ),
];
// No job is ever run, and links are updated without one.
$wgJobTypeConf['default'] = [ 'class' => 'JobQueueMemory' ];

// Scripts edit while the server runs: what it kept in memory would be stale.
$wgMainCacheType = CACHE_NONE;
$wgParserCacheType = CACHE_NONE;
$wgMessageCacheType = CACHE_NONE;
$wgSessionCacheType = CACHE_DB;
$wgCacheDirectory = __DIR__ . '/data';
$wgLocalisationCacheConf['store'] = 'array';
$wgLocalisationCacheConf['storeDirectory'] = $wgCacheDirectory;

$wgJobRunRate = 0;
$wgDisableSearchUpdate = true;
$wgEnableEmail = false;
$wgPingback = false;
$wgRateLimits = [];

// As Wikibase's client does on Wikipedia: the item is written with the links, on every edit.
$wgHooks['ContentAlterParserOutput'][] = static function ( $content, $title, $output ) {
	static $items = null;
	$items ??= json_decode( file_get_contents( __DIR__ . '/items.json' ), true );
	$item = $items[$GLOBALS['wgLanguageCode']][$title->getPrefixedText()] ?? null;
	if ( $item !== null ) {
		$output->setPageProperty( 'wikibase_item', $item );
	}
};
