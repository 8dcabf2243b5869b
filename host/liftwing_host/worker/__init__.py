"""THE CHILD PROCESSES: what runs a plugin's hooks, in the plugin's own interpreter.

Nothing here imports Tornado or anything of `liftwing_host.server`; what the two say to each other is in
`liftwing_host.wire`. Which file runs where::

    __main__    every child process begins here
    template    the template: imports the plugin, loads its models, forks
    compute     a compute worker: `def` legs, one at a time
    async_      the async worker: `async def` legs, many at once
    async_legs, async_lifetime, beside
                what that runs on its loop: legs, `start` and `stop`; what runs in a thread beside it
    describe    imports plugins to tell what they bring, and ends
    plugin      loading and asking a plugin; used by all of them
    legs        which hooks run where, and running them; used by all of them
"""
