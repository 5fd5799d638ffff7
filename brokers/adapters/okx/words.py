"""What OKX's codes mean."""

from __future__ import annotations

REFUSALS = {
    **dict.fromkeys(("51008", "51119", "51127", "51131", "51502"), "INSUFFICIENT_FUNDS"),
    **dict.fromkeys(("51016", "51011"), "DUPLICATE_ORDER"),
    **dict.fromkeys(("51400", "51401", "51402", "51405", "51503", "51509", "51510", "51603"), "ORDER_NOT_FOUND"),
    **dict.fromkeys(("51006", "51116", "51122", "51250", "51252"), "PRICE_FILTER"),
    **dict.fromkeys(("51135", "51136", "51137", "51138"), "PRICE_FILTER"),
    **dict.fromkeys(("51004", "51005", "51007", "51100", "51120", "51121", "51202", "51203"), "LOT_SIZE"),
    **dict.fromkeys(("51020", "51118"), "MIN_NOTIONAL"),
    **dict.fromkeys(("51277", "51278", "51279", "51280", "51258", "51259"), "WOULD_TRIGGER"),
    **dict.fromkeys(("51169", "51205", "51112"), "REDUCE_ONLY"),
    **dict.fromkeys(("51025", "51101", "51102", "51103", "51174", "51260", "51261"), "TOO_MANY_ORDERS"),
    **dict.fromkeys(("51021", "51022", "51027", "51028", "51029", "51030", "51124"), "MARKET_CLOSED"),
    **dict.fromkeys(("51001", "51014", "51015"), "UNKNOWN_SYMBOL"),
    **dict.fromkeys(("50101", "50103", "50105", "50111", "50113", "50119"), "KEY_REFUSED"),
    **dict.fromkeys(("50027", "50110", "50120", "51009", "51010", "51155"), "NO_PERMISSION"),
}
# "Does not indicate success or failure of order, please check order status", and what else happens inside.
OPEN = frozenset({"50001", "50004", "50005", "50013", "50026", "51054", "51149"})
AT_THE_DOOR = frozenset({"50011", "50040", "50061", "50102", "51113"})
