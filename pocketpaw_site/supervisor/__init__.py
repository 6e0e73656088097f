"""The processes of Mission Control: `manage.py up` (product.py) and `manage.py worker` (watchdog.py).

    up ── web (daphne)
       └─ worker (watchdog) ── reaper
                            └─ cluster ── sentinel ── workers, pusher, monitor     (django-q2's)

Whatever ends is started again by its parent; whatever loses its parent ends with it, kill -9 included.
"""
