"""Booking an adjustment: a person's word for a difference between books and venue that nothing explains."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from brokers.errors import BrokerError
from brokers.instrument import Settlement
from brokers.money import ZERO
from core.access.roles import Actor, Permission
from core.actions.acting import Acting
from core.errors import UserError
from core.trading.adjusting import Overtaken, Yes
from core.trading.adjustment import Found, Plan, Wish, plan_of
from core.trading.adjustment_words import audit_detail
from core.trading.desk import Desk
from core.trading.ledger import EXACT
from core.trading.reconcile import Drift
from core.trading.states import OrderState
from core.trading.switch import GLOBAL, instrument_scope
from core.views import ActionResult, Adjusted, AdjustView, DifferenceRow, UnitsMoved
from risk.view import live_scope


class Adjusting(Acting):
    """Makes the books the venue's."""

    def accounts_to_adjust(self, actor: Actor, account: str = "") -> tuple[str, ...]:
        """The accounts that may be meant: the one named, the only one, or those that differ. Raises `UnknownName`."""
        desks = self._engine.floor.chosen(account, self.seen_by(actor))
        if len(desks) > 1:
            desks = tuple(each for each in desks if actor.may(Permission.ADMINISTER, each.account))
            desks = tuple(each for each in desks if not each.reconciled) or desks
        return tuple(each.account for each in desks)

    async def adjust_preview(
        self,
        actor: Actor,
        account: str,
        wish: Wish = Wish(),  # noqa: B008 (frozen)
    ) -> AdjustView:
        """What differs from the venue at this moment, and what booking it would do. Raises `UserError`."""
        desk = self._adjusted_desk(actor, account)
        found = await self._compared_anew(desk)
        return self._adjust_view(desk, found, wish)

    async def adjust(self, actor: Actor, account: str, wish: Wish, reason: str, seen: str) -> Adjusted:
        """Book what was shown, if it is still just that; then compare again. Raises `UserError`."""
        desk = self._adjusted_desk(actor, account)
        found = await self._compared_anew(desk)
        view = self._adjust_view(desk, found, wish)
        if not found.drifts or view.token != seen:
            return await self._not_as_shown(actor, desk, view, seen)

        async def along(plan: Plan) -> None:
            await self._engine.audit.record(actor, "adjust", audit_detail(plan, found, reason))

        try:
            await desk.adjustments.book(found, wish, Yes(seen, actor.name, reason), along)
        except Overtaken:
            view = self._adjust_view(desk, await self._compared_anew(desk), wish)
            return await self._not_as_shown(actor, desk, view, seen)
        return Adjusted(await self._adjusted(desk))

    def _adjusted_desk(self, actor: Actor, account: str) -> Desk:
        (desk,) = self._engine.floor.chosen(account, self.seen_by(actor))
        return desk

    async def _compared_anew(self, desk: Desk) -> Found:
        """Compare, so that what has an explanation finds it; then look at what is left. Nothing is found by failing."""
        if not desk.broker.is_connected:
            raise UserError(f"{desk.account} is not connected to its venue: nothing can be compared. /brokers")
        try:
            drifts = await self._engine.reconcile(desk.account)
            found = await desk.adjustments.look()
        except BrokerError as error:
            raise UserError(f"{desk.account}: the venue could not be asked ({error}). Nothing was booked.") from error
        if {each.id for each in drifts} != {each.id for each in found.drifts}:
            raise UserError("It changes while we look. Ask again in a moment.")
        return found

    # --- answers -----------------------------------------------------------------------------------

    async def _not_as_shown(self, actor: Actor, desk: Desk, view: AdjustView, seen: str) -> Adjusted:
        """Somebody was faster, or the venue has moved: what is so now is shown."""
        if await desk.adjustments.is_booked(seen):
            text = f"Just this is booked already in {desk.account}."
            return Adjusted(await self._done(actor, "adjust", f"{desk.account}, again", False, "", text), view)
        text = f"{desk.account} agrees with its venue by now." if not view.rows else "It is not what was shown by now."
        return Adjusted(await self._failed(actor, "adjust", f"{text} Nothing was booked."), view)

    async def _adjusted(self, desk: Desk) -> ActionResult:
        """The comparison that follows says whether both sides agree."""
        text = f"Booked: the books of {desk.account} are the venue's."
        try:
            drifts = await self._engine.reconcile(desk.account)
        except BrokerError as error:
            return ActionResult(True, text, (f"The venue could not be asked again yet: {error}",))
        if drifts:
            return ActionResult(True, "Booked, but something else differs by now.", tuple(map(str, drifts)))
        return ActionResult(True, text, self._still_restricted(desk))

    def _still_restricted(self, desk: Desk) -> tuple[str, ...]:
        """What booking does not lift: a person resumes."""
        whole = {GLOBAL, desk.scope, live_scope(desk.account)}
        return tuple(
            f"Still {each.state.name}: {name if name == GLOBAL else name.partition(':')[2]}, until somebody resumes."
            for name, each in sorted(self._engine.switch.settings.items())
            if each.state and (name in whole or name.startswith(instrument_scope(desk.account, "")))
        )

    def _adjust_view(self, desk: Desk, found: Found, wish: Wish) -> AdjustView:
        presumed = sum(each.state is OrderState.NOT_PLACED for each in desk.orders.watched)
        if not found.drifts:
            return AdjustView(desk.account, desk.currency, desk.mode, presumed=presumed)
        plan, change, token = desk.adjustments.plan(found, wish)
        rates = desk.portfolio.rates
        known = {unit: rates.convert({unit: amount}) for unit, amount in change.items()}
        rows = [_row(desk, each, found) for each in found.drifts]
        return AdjustView(
            account=desk.account,
            currency=desk.currency,
            mode=desk.mode,
            rows=tuple(sorted(rows, key=_by_size)),
            moves=tuple(
                UnitsMoved(move.instrument.symbol, name, units, move.price)
                for move in plan.moves
                for name, units in sorted(move.parts.items())
            ),
            others=_others(desk, plan, found, wish),
            worth=sum((each for each in known.values() if each is not None), ZERO),
            unpriced=tuple(sorted(unit for unit, each in known.items() if each is None)),
            presumed=presumed,
            token=token,
        )


def _row(desk: Desk, drift: Drift, found: Found) -> DifferenceRow:
    units, rates = EXACT.subtract(drift.theirs, drift.ours), desk.portfolio.rates
    if drift.is_cash:
        return DifferenceRow(drift.what, True, drift.ours, drift.theirs, rates.convert({drift.what: units}))
    instrument = desk.portfolio.instrument(drift.what)
    money = EXACT.multiply(EXACT.multiply(units, found.worths[drift.what].mark), instrument.multiplier)
    value, is_exposure = rates.convert({instrument.currency: money}), instrument.settlement is Settlement.MARGINED
    return DifferenceRow(drift.what, False, drift.ours, drift.theirs, value, is_exposure)


def _by_size(row: DifferenceRow) -> tuple[bool, Decimal, str]:
    """The largest first; what nobody can value last."""
    return row.value is None, -abs(row.value or ZERO), row.what


def _others(desk: Desk, plan: Plan, found: Found, wish: Wish) -> tuple[str, ...]:
    """Who else could give what is missing: everyone by whom it would be booked otherwise."""
    holders = {name for each in found.positions for name, lot in desk.portfolio.lots(each.what) if lot.quantity}
    return tuple(
        name
        for name in sorted(holders)
        if plan_of(desk.portfolio, found, replace(wish, first=name), "").moves != plan.moves
    )
