"""A real MediaWiki on loopback, with a declared corpus, for tests of plugins that ask one."""
