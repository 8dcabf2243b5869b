"""THE HOST PROCESS: HTTP, queues, deadlines. The only place that imports Tornado. Imports no plugin.

Which file does what, in the order in which a request meets them::

    cli, configuration, discovery
                                 what to serve: flags, environment, TOML; what is installed
    settings, role               each key of those; which of a model's hooks run here
    logs, own_process            how much is logged, and where to; streams, signals and limits of this process
    environments                 what is installed for other interpreters
    chosen, head_start           whose models they are; the plugins' interpreters, begun before all that follows is imported
    run, report                  start, drain, stop; what the operator sees meanwhile
    assembly, host, reload       put together, served, replaced
    cpus, memory                 what this process may use of the machine
    front                        the two below, put together when the processes that load the models have been begun
    llhttp, http_connection, http_reader, http_message, http_body, http_lingering
                                 HTTP read with llhttp
    tornado_http                 HTTP read with Tornado's parser: the alternative
    app, exchange, reply, request_id
                                 every URL on one page; one HTTP request and its answer; what the host says itself; the request's
                                 name in the log
    body_memory                  how much memory the large bodies have together
    health, metadata, inference  what the URLs do
    passage, deadlines           a request on its way through the legs of its model; when its time is over
    served_model, pool, slot     a model's state; the processes behind a plugin; what keeps one of them alive
    line, ahead, call            who waits for which process; what lies ahead of a busy one; one leg of one request
    loading, patience            what keeps a plugin's template alive, and what became of its models; what hangs is told of
    suspects                     the calls whose worker died while it ran many
    processes, template, worker  the host's ends of its child processes
    launch, stderr               how they begin; what they print
    installed, describe, download, fetching
                                 the commands beside `serve`
"""
