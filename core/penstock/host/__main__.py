"""`python -P -m penstock.host DRIVER SOCKET WORD...`: a host of a driver.

DRIVER: its process; SOCKET: the inherited descriptor of the link to it; WORD: those of the `FlowFile`.
"""

from __future__ import annotations

import gc
import os
import sys

if __name__ == "__main__":
    gc.disable()  # nothing that is loaded now is garbage, and to look for it takes a tenth of the time
    from penstock.host.driven import main

    status = main(sys.argv[1:])
    try:
        sys.stdout.flush()
    except (OSError, ValueError):  # the flow file may have closed it
        pass
    os._exit(status)
