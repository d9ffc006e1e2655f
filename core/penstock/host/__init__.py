"""The process of ours beside every attempt: imports the flow once, forks attempts, pumps their output, reaps them.

    protocol    frames between a driver and a host
    declare     import the flow file and say, as data, what it declares
    seeds       which random generators the flow file seeded
    serve       fork or exec attempts, reap them, record a death
    pump        output of an attempt: to the driver, into the record, into the log sink
    once        the host of a job elsewhere: one attempt, no driver to talk to
    pool        the driver's side: the hosts of a run, as executors drive them
    inline      the same without a process: steps run in the driver itself
"""
