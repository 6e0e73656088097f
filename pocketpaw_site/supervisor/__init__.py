"""The processes of Mission Control: `manage.py up` (product.py) and `manage.py worker` (watchdog.py).

    up ── web (daphne)
       └─ worker (watchdog) ── reaper
                            └─ cluster ── sentinel ── workers, pusher, monitor     (django-q2's)

A process that ends is started again by its parent; a process whose parent ends, even by kill -9, ends with it.
"""
