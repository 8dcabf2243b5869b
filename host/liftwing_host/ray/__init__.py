"""THE POOL ON A RAY CLUSTER: `executor = "ray"`. Nothing of Ray is imported by the host process.

::

    liftwing-host                        as ever
     └─ bridge  (per plugin)             Ray's driver; stands where the template stands
            :  Ray
        ────:─────────────────────────── a node of the cluster
            :·· NodeTemplate (actor)     one for each node that has workers
            :    └─ template             imports the plugin, runs load(), forks
            :        └─ worker           runs hooks; its TCP connection leads to the host
            :·· NodeWorker (actor)       one for each worker: where Ray has placed it, and the CPUs that it takes

The bridge asks Ray for places and has workers begun there. Each worker's connection is a TCP connection, which the bridge
makes and hands to the host: from then on the two speak to each other as in one machine. Which file runs where::

    __main__       the bridge begins here: reads `init`, connects to the cluster
    cluster        the bridge: what it asks of Ray; the only file that imports Ray as a driver
    bridge         the bridge: what the host asks of it
    actors         the bridge: the actors as it knows them
    node_template  on the nodes: the actor NodeTemplate
    node_worker    on the nodes: the actor NodeWorker
    node_actor     on the nodes: what both actors are
    handshake      both ends of a worker's connection prove that they know its secret
"""
