"""`python -m tests.chaos`: break the running product on purpose, repeatedly, and check that it recovers.

These are not pytest tests, but a program of its own (`__main__.py`) that takes minutes. A round (`rounds.py`) puts
a load on the product (`load.py`), watches it with clients (`audience.py`), samples its database (`database.py`),
and breaks one thing (`faults.py`). It waits until the product has recovered, and then compares what was
acknowledged and shown (`ledger.py`) with what is stored (`invariants.py`).
"""
