"""Protective exits: stop-loss, take-profit, trailing stop and time stop of every strategy's position.

::

    spec      what is wanted, as settings, a strategy's signal or a person say it
    guard     one guarded position: its levels, and what has hit it           pure
    fitting   which stops and targets may rest at the venue, and what to change   pure
    attempts  how soon something that failed is tried again
    words     what people are told
    keeping   a guard as a row, and back
    venue_side makes what rests at the venue fit, and tells when it cannot
    protector looks, and acts
"""
