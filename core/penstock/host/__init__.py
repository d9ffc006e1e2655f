"""The process of ours beside every attempt: imports the flow once, forks attempts, pumps their output, reaps them.

    protocol         frames between a driver and a host
    flow_file        a flow file and how it is read: the same in every process of a run
    declare          import the flow file and say, as data, what it declares
    own_modules      the files beside a flow that are its code
    archived_code    import them from the run's archive, under the paths that they had
    seeds            which random generators the flow file seeded
    serve            fork or exec attempts, reap them, record a death
    attempt_process  inside such a process: run the attempt, tell the host
    fresh            an interpreter of its own for one attempt, where a fork is not safe
    pump             output of an attempt: to the driver, into the record, into the log sink
    libc             die with the parent, flush what C code printed
    once             the host of a job elsewhere: one attempt, no driver to talk to
    process, pool    the driver's side: one host, the hosts of a run, as executors drive them
    inline           the same without a process: steps run in the driver itself
"""
