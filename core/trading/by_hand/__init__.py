"""Trading by hand: what a person wants, as words, as an order, and what would come of it.

==============  =====================================================================================
`slip.py`       the order as wanted: a frozen value, nothing looked up yet. Pure
`numbers.py`    numbers as people type them: exact, ASCII, nothing guessed. Pure
`grammar.py`    words to a slip and back: what a button carries is what was typed. Pure
`estimate.py`   what an order would cost, by walking an order book. Pure
`intents.py`    a slip on one desk: units, sides, what the venue offers
`changes.py`    a change of a working order that must pass the gate
`wishes.py`     exits that wait for their entry to fill, as rows
`hand.py`       orders, inside the pipeline's turn
==============  =====================================================================================
"""
