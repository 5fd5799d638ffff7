"""The rules, one a file, asked in their order. A new file here is found by itself; so is a missing test.

Nobody may be kept from closing a position. An order "only reduces" when its quantity, together with the open
orders on its side, stays within the position that it closes (`risk.reducing`). What applies to whom:

=================  ============================  =============================================================
rule               an order that only reduces    why
=================  ============================  =============================================================
well_formed        applies                       the venue would refuse it
figures            position and orders only      NaN equity must not lock anybody in
currency           exempt                        no amount of money is compared
trading_state      passes REDUCING; HALTED: only `Origin.FLATTEN`, a person's exit
venue_maximum      applies                       the venue would refuse it; exits go in slices
reduce_only        applies                       it is the rule itself; a flatten, a stop and a target are held to it
price_known        applies to limit orders       other exits name no price that could be wrong
price_collar       applies to limit prices       selling out at a tenth of the price is no exit; a stop may
                                                 protect from as far away as its owner likes, a target too
price_drift        exempt                        closing may follow the market as far as it must
max_value          exempt                        a position larger than one order may be must close in one
max_volume         exempt                        the same
position           exempt                        it shrinks
exposure           exempt                        it shrinks
free_balance       exempt                        it frees cash
open_orders        exempt                        fifty entries must not block the exit
self_match         exempt                        our own entry must not keep an exit in
message_rate       applies, flatten and protection exempt   a strategy that loops on exits floods the venue, too;
                                                 slices at the venue's maximum are exempt
repeated           exempt                        it is about entries
duplicate          applies, flatten, protection and slices exempt   those are bounded by the position instead
=================  ============================  =============================================================

An order that closes and goes on to the other side is new risk as a whole; its reducing part is offered.
"""
