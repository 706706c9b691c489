"""The sample company: three years of a made-up shop with memberships, drawn from a known truth.

Everything is drawn at run time from the constants below: no data files, the same tables on every run. Customers buy as
in the BG/NBD model and members leave as in the shifted beta-geometric one, so that a model has something to find again.
The story: the shop opens in 2023, peaks every November and December, keeps its customers better all through 2025, and
loses those who come through the marketplace much faster than the others.
"""

from collections import namedtuple
from statistics import NormalDist

import numpy as np
import pandas as pd

COMPANY, TIMEZONE, CURRENCY = "Sample Company", "Europe/London", "GBP"
OPENED, AS_OF, MONTHS = np.datetime64("2023-01-01"), np.datetime64("2026-01-01"), 36  # half-open

# Prices in pounds a month; a year costs ten months. A member's chance to leave at a renewal is drawn once: Beta(a, b).
Plan = namedtuple("Plan", "name price share monthly yearly")
PLANS = (
    Plan("Basic", 9, 0.50, monthly=(0.9, 9.0), yearly=(1.5, 2.5)),
    Plan("Plus", 19, 0.35, monthly=(0.8, 14.0), yearly=(1.2, 3.6)),
    Plan("Pro", 49, 0.15, monthly=(0.7, 24.0), yearly=(1.0, 6.0)),
)
# What a channel does to every chance of leaving (a factor) and to answers (in standard deviations).
Channel = namedtuple("Channel", "name share leaving mood")
CHANNELS = (
    Channel("web", 0.42, leaving=0.9, mood=0.05),
    Channel("app", 0.23, leaving=0.8, mood=0.10),
    Channel("store", 0.15, leaving=1.0, mood=0.00),
    Channel("marketplace", 0.20, leaving=2.2, mood=-0.35),
)
# The scale, and the mean and standard deviation of answers before they are rounded to it.
Survey = namedtuple("Survey", "name share low high mean spread")
SURVEYS = (
    Survey("nps", 0.50, 0, 10, mean=8.4, spread=2.2),
    Survey("csat", 0.30, 1, 5, mean=4.1, spread=1.0),
    Survey("ces", 0.20, 1, 7, mean=5.3, spread=1.4),
)
COUNTRIES = {"United Kingdom": 0.58, "Ireland": 0.14, "Germany": 0.12, "France": 0.10, "Netherlands": 0.06}
SEASON = (0.80, 0.80, 0.90, 0.90, 0.95, 0.90, 0.85, 0.80, 0.95, 1.05, 1.45, 1.65)  # January to December, mean 1

IMPROVING = (24, 36)  # months since opening: all through 2025
LESS_LEAVING, BETTER_MOOD = 0.45, 0.30  # by the end: this share of leaving avoided, this many standard deviations

CUSTOMERS, GUEST_ORDERS = 4_000, 400
JOINED_BY_YEAR_END = (0.30, 0.64, 1.00)
PURCHASE_RATE = (0.9, 56.0)  # Gamma(r, alpha): repeat purchases a day
PURCHASE_DROPOUT = (0.8, 3.2)  # Beta(a, b): the chance that a repeat purchase is the last
MOST_REPEATS = 120
SPEND_MEDIAN, SPEND_BETWEEN, SPEND_WITHIN = 32.0, 0.55, 0.50  # lognormal: between customers, within one's orders
REFUNDS, FULL_REFUNDS, GOODWILL = 0.03, 0.60, 30  # share of orders, share of those, payments that name no order

MEMBERS, YEARLY = 2_350, 0.25
TRIALS, TRIALS_PAID, TRIAL_DAYS = 0.45, 0.65, 14
PLAN_CHANGES, UPGRADES = (0.15, 0.025), 0.65  # chance at a yearly and at a monthly renewal; share that goes up
PAUSES, PAUSE_MONTHS = 0.012, (1, 3)  # chance at a monthly renewal
RETURNS, RETURN_MONTHS = 0.18, (2, 8)  # chance after leaving
REASONS = {"too expensive": 0.39, "not used enough": 0.32, "missing feature": 0.16, "another provider": 0.13}
REASON_GIVEN = 0.85

RESPONSES, ANONYMOUS, COMMENTS = 6_000, 0.06, 0.30
MOOD_SPREAD = 0.50, 0.85  # standard deviations between customers and within one's answers
LEAVING_SOON, LEAVING_MOOD = pd.Timedelta(days=90), -0.90
PRAISE = (
    *("Quick delivery, thank you", "Exactly what I wanted", "The app is a pleasure to use", "Friendly support"),
    *("Delivery was quick again", "Good quality for the price", "Easy to order, quick to arrive", "Lovely packaging"),
    "Support was friendly and solved it at once",
)
COMPLAINTS = (
    *("Parcel came late", "Too expensive for what it is", "Could not reach support", "The wrong item arrived"),
    *("Late again, and nobody told me", "Expensive, and the parcel was late", "Waited a week for an answer"),
    "The wrong size arrived, and sending it back was expensive",
)

UNREADABLE_DATES = ("not recorded", "2024-02-30 10:00:00", "31/31/2024", "?", "00.00.0000")
UNREADABLE_AMOUNTS = ("n/a", "twelve", "19,-", "#REF!")
IMPOSSIBLE_SCORES = {"nps": (11, -1, 99), "csat": (0, 6), "ces": (0, 8, 10)}
ENDED_TOO_EARLY, COPIED = 4, {"orders": 24, "subscriptions": 5, "responses": 9}  # rows

RUNNING = -1  # a spell that has not ended


def sample_tables(seed: int = 7) -> dict[str, pd.DataFrame]:
    """Raw `orders`, `subscriptions` and `responses` as a shop exports them: local times as text, some dirty rows."""
    # A stream each, so that a change to one table leaves the others as they were.
    arriving, buying, subscribing, answering, soiling = np.random.default_rng(seed).spawn(5)
    customers = _customers(arriving)
    orders = _orders(buying, customers)
    subscriptions = _subscriptions(subscribing, customers)
    responses = _responses(answering, orders, subscriptions)
    return _soiled(soiling, {"orders": _bill(orders), "subscriptions": subscriptions, "responses": responses})


def truth() -> pd.DataFrame:
    """The true parameters of the sample company, as quantities that can be estimated from its tables.

    Columns: name, group, value, what. Leaving and mood, which change in 2025, have their values before.
    """
    months = pd.date_range("2023-01-01", periods=12, freq="MS").month_name()
    joined = np.diff(JOINED_BY_YEAR_END, prepend=0)
    again = 1 - (PURCHASE_RATE[1] / (PURCHASE_RATE[1] + 365)) ** PURCHASE_RATE[0]
    staying = {channel.name: _nps(channel.mood) for channel in CHANNELS}
    leaving = {channel.name: _nps(channel.mood + LEAVING_MOOD) for channel in CHANNELS}
    facts = [
        ("channel_share", {channel.name: channel.share for channel in CHANNELS}, "share of customers"),
        ("country_share", COUNTRIES, "share of customers"),
        ("joined", dict(zip(("2023", "2024", "2025"), joined, strict=True)), "share of customers first seen that year"),
        ("season", dict(zip(months, SEASON, strict=True)), "purchases a day, as a multiple of the year's mean"),
        ("purchases_a_day", {"": PURCHASE_RATE[0] / PURCHASE_RATE[1]}, "mean rate of those who still buy"),
        ("repeats_within_a_year", {"": again}, "share of customers"),
        ("spend_median", {"": SPEND_MEDIAN}, "pounds a purchase"),
        ("spend_between", {"": SPEND_BETWEEN}, "standard deviation of log spend between customers"),
        ("spend_within", {"": SPEND_WITHIN}, "standard deviation of log spend within a customer's purchases"),
        ("refunded", {"": REFUNDS}, "share of purchases"),
        ("refunded_in_full", {"": FULL_REFUNDS}, "share of refunds that name an order"),
        ("plan_share", {plan.name: plan.share for plan in PLANS}, "share of members at sign-up"),
        ("paid_yearly", {"": YEARLY}, "share of members"),
        ("trial", {"": TRIALS}, "share of members"),
        ("trial_paid", {"": TRIALS_PAID}, "share of ended trials"),
        *(
            (
                f"leaving_at_month_{n}",
                {plan.name: _hazard(plan.monthly, n) for plan in PLANS},
                "chance at that renewal of a monthly plan, of those still members",
            )
            for n in range(1, 13)
        ),
        ("leaving_at_year_1", {plan.name: _hazard(plan.yearly, 1) for plan in PLANS}, "chance at that yearly renewal"),
        ("pause", {"": PAUSES}, "chance at a monthly renewal, of those who renew"),
        ("plan_change", {"year": PLAN_CHANGES[0], "month": PLAN_CHANGES[1]}, "chance at a renewal on the middle plan"),
        ("upgrade", {"": UPGRADES}, "share of plan changes from the middle plan"),
        ("return", {"": RETURNS}, "share of those who leave, within eight months"),
        ("reason_given", {"": REASON_GIVEN}, "share of cancellations"),
        ("reason_share", REASONS, "share of the reasons given"),
        ("survey_share", {survey.name: survey.share for survey in SURVEYS}, "share of answers"),
        ("anonymous", {"": ANONYMOUS}, "share of answers"),
        ("nps_staying", staying, "points, of answers of those who stay"),
        ("nps_leaving", leaving, "points, of answers within 90 days before leaving"),
        ("nps_effect_of_leaving", {name: leaving[name] - staying[name] for name in staying}, "points"),
    ]
    rows = [(name, group, float(value), label) for name, groups, label in facts for group, value in groups.items()]
    return pd.DataFrame(rows, columns=["name", "group", "value", "what"])


def _hazard(shape: tuple[float, float], renewal: int) -> float:
    """The probability to leave at the n-th renewal, once it is reached: a shifted beta-geometric for each channel."""
    a, b = shape
    even = (np.arange(100_000) + 0.5) / 100_000
    chance = even ** (1 / a)  # a Beta(a, b) chance has the weight (1 - chance) ** (b - 1) on this grid
    leaves = np.minimum(1, chance * _column(CHANNELS, "leaving")[:, None])
    reach = _column(CHANNELS, "share")[:, None] * (1 - chance) ** (b - 1) * (1 - leaves) ** (renewal - 1)
    return (leaves * reach).sum() / reach.sum()


def _nps(mood: float) -> float:
    """The net promoter score of answers whose mood has this mean, before rounding to the scale."""
    survey = SURVEYS[0]
    score = NormalDist(survey.mean + survey.spread * mood, survey.spread * np.hypot(*MOOD_SPREAD))
    return 100 * (1 - score.cdf(8.5) - score.cdf(6.5))


def _customers(rng: np.random.Generator) -> pd.DataFrame:
    """One row per customer, in order of arrival; `arrives` is in days of the seasonal clock."""
    arrives = np.interp(rng.random(CUSTOMERS), (0.0, *JOINED_BY_YEAR_END), np.linspace(0, _clock()[-1], 4))
    return pd.DataFrame(
        {
            "customer_id": _ids("C", np.arange(CUSTOMERS), 4),
            "arrives": np.sort(arrives),
            "country": rng.choice(list(COUNTRIES), CUSTOMERS, p=list(COUNTRIES.values())),
            "channel": rng.choice(len(CHANNELS), CUSTOMERS, p=_column(CHANNELS, "share")),
        }
    )


def _orders(rng: np.random.Generator, customers: pd.DataFrame) -> pd.DataFrame:
    """Purchases, also guests', and payments back. `last` marks the purchase after which a customer buys no more."""
    rate = rng.gamma(PURCHASE_RATE[0], 1 / PURCHASE_RATE[1], (CUSTOMERS, 1))
    gaps = rng.standard_exponential((CUSTOMERS, MOST_REPEATS)) / rate
    clock = customers["arrives"].to_numpy()[:, None] + np.cumsum(np.insert(gaps, 0, 0, axis=1), axis=1)
    chance = rng.beta(*PURCHASE_DROPOUT, CUSTOMERS) * _column(CHANNELS, "leaving")[customers["channel"]]
    time = _calendar(clock)
    leaves = rng.random(clock.shape) < chance[:, None] * _leaving(_month(time))
    leaves[:, 0] = False  # in the BG/NBD model nobody leaves at the first purchase
    who, which = np.nonzero((clock < _clock()[-1]) & (np.cumsum(leaves, axis=1) - leaves == 0))
    spend = rng.lognormal(0, SPEND_BETWEEN, CUSTOMERS)[who] * rng.lognormal(0, SPEND_WITHIN, len(who))

    bought = customers.loc[who].assign(
        customer=who,
        ordered_at=time[who, which],
        pence=np.rint(100 * SPEND_MEDIAN * spend).astype(int),
        last=leaves[who, which],
    )
    guests = bought.iloc[rng.choice(len(bought), GUEST_ORDERS)].assign(  # they buy what others buy, where others buy it
        customer_id=pd.Series(dtype="str"), last=False, ordered_at=_calendar(rng.uniform(0, _clock()[-1], GUEST_ORDERS))
    )
    bought = pd.concat([bought, guests]).sort_values("ordered_at", kind="stable", ignore_index=True)
    bought["order_id"] = _ids("O", bought.index, 6)

    refunds = bought[rng.random(len(bought)) < REFUNDS]
    part = np.where(rng.random(len(refunds)) < FULL_REFUNDS, 1.0, rng.uniform(0.2, 0.8, len(refunds)))
    refunds = refunds.assign(refund_of=refunds["order_id"], pence=-np.rint(refunds["pence"] * part).astype(int))
    goodwill = bought.iloc[rng.choice(len(bought), GOODWILL)].assign(pence=-100 * rng.integers(5, 16, GOODWILL))
    paid = pd.concat([refunds, goodwill]).assign(last=False)
    paid["ordered_at"] += _days(rng.integers(2, 21, len(paid)))
    paid = paid[paid["ordered_at"] < AS_OF].sort_values("ordered_at", kind="stable", ignore_index=True)
    paid["order_id"] = _ids("R", paid.index, 6)
    return pd.concat([bought, paid]).sort_values("ordered_at", kind="stable", ignore_index=True)


def _members(rng: np.random.Generator, customers: pd.DataFrame) -> pd.DataFrame:
    """One row per customer who signs up, with their own chance of leaving at each renewal."""
    customer = np.sort(rng.choice(CUSTOMERS, MEMBERS, replace=False))
    signed_up = _calendar(customers["arrives"].to_numpy()[customer]) + _days(rng.integers(4, 61, MEMBERS))
    day = (signed_up.astype("M8[D]") - signed_up.astype("M8[M]")).astype(int)
    signed_up -= _days(np.maximum(day - 27, 0))  # the 28th at the latest: every month has the anniversary
    plan, yearly = rng.choice(len(PLANS), MEMBERS, p=_column(PLANS, "share")), rng.random(MEMBERS) < YEARLY
    a, b = np.where(yearly[:, None], _column(PLANS, "yearly")[plan], _column(PLANS, "monthly")[plan]).T
    chance = rng.beta(a, b) * _column(CHANNELS, "leaving")[customers["channel"].to_numpy()[customer]]
    trial_ends = np.where(rng.random(MEMBERS) < TRIALS, signed_up + _days(TRIAL_DAYS), np.datetime64("NaT", "s"))
    unpaid = (trial_ends < AS_OF) & (rng.random(MEMBERS) >= TRIALS_PAID)
    columns = {"customer": customer, "signed_up": signed_up, "plan": plan, "yearly": yearly, "chance": chance}
    members = pd.DataFrame({**columns, "trial_ends": trial_ends, "unpaid": unpaid})
    return members[signed_up < AS_OF].reset_index(drop=True)


def _spells(rng: np.random.Generator, members: pd.DataFrame) -> pd.DataFrame:
    """Members live through their months side by side; spells are noted as they close. Time: months since signing up."""
    count, first = len(members), _month(members["signed_up"].to_numpy())
    plan, yearly, unpaid, chance = (members[name].to_numpy() for name in ("plan", "yearly", "unpaid", "chance"))
    paying, paused, away = ~unpaid, np.zeros(count, bool), np.zeros(count, bool)
    run, since, waits_until = np.zeros((3, count), int)
    spells = []

    def close(mask: np.ndarray, until: int, status: str) -> None:
        spell = {"member": np.flatnonzero(mask), "run": run[mask], "plan": plan[mask], "since": since[mask]}
        spells.append(pd.DataFrame({**spell, "until": until, "status": status}))

    def happens(mask: np.ndarray, chance: np.ndarray | float) -> np.ndarray:
        return mask & (rng.random(count) < chance)

    close(unpaid, 0, "cancelled")
    for month in range(1, MONTHS):
        ongoing = first + month < MONTHS
        due = ongoing & paying & (~yearly | ((month - since) % 12 == 0))
        leaves = happens(due, chance * _leaving(first + month))
        pauses = happens(due & ~leaves & ~yearly, PAUSES)
        next_plan = plan + np.where(rng.random(count) < UPGRADES, 1, -1)
        possible = due & ~leaves & ~pauses & (next_plan >= 0) & (next_plan < len(PLANS))
        changes = happens(possible, np.where(yearly, *PLAN_CHANGES))
        resumes, returns = (ongoing & waiting & (waits_until == month) for waiting in (paused, away))
        close(leaves, month, "cancelled")
        close(pauses | changes, month, "active")
        close(resumes, month, "paused")

        paying = (paying & ~leaves & ~pauses) | resumes | returns
        paused = (paused & ~resumes) | pauses
        away = (away & ~returns) | happens(leaves, RETURNS)
        waits_until[pauses] = month + rng.integers(*PAUSE_MONTHS, pauses.sum(), endpoint=True)
        waits_until[leaves] = month + rng.integers(*RETURN_MONTHS, leaves.sum(), endpoint=True)
        since[pauses | changes | resumes | returns] = month
        plan, run = np.where(changes, next_plan, plan), run + returns
    close(paying, RUNNING, "active")
    close(paused, RUNNING, "paused")
    return pd.concat(spells, ignore_index=True)


def _subscriptions(rng: np.random.Generator, customers: pd.DataFrame) -> pd.DataFrame:
    """One row per spell at a constant price: a change of plan keeps the subscription, a return begins another."""
    members = _members(rng, customers)
    spells = _spells(rng, members)
    member = members.loc[spells["member"]].reset_index(drop=True)
    ended_at = _anniversary(member["signed_up"], spells["until"]).mask(spells["until"] == RUNNING)
    trial_ends_at = member["trial_ends"].where(spells["since"] == 0)
    price = _column(PLANS, "price")[spells["plan"]]
    reason = pd.Series(rng.choice(list(REASONS), len(spells), p=list(REASONS.values())))
    is_given = (spells["status"] == "cancelled") & (rng.random(len(spells)) < REASON_GIVEN)
    subscriptions = pd.DataFrame(
        {
            "customer_id": customers["customer_id"].to_numpy()[member["customer"]],
            "subscription_id": spells["member"] * MONTHS + spells["run"],  # renamed below, in order of start
            "started_at": _anniversary(member["signed_up"], spells["since"]),
            "ended_at": ended_at.mask(member["unpaid"], member["trial_ends"]),
            "amount": np.where(member["yearly"], 10 * price, price),
            "interval": np.where(member["yearly"], "year", "month"),
            "plan": _column(PLANS, "name")[spells["plan"]],
            "trial_ends_at": trial_ends_at,
            "cancel_reason": reason.where(is_given),
            "status": spells["status"].mask(trial_ends_at >= AS_OF, "trialing"),
        }
    ).sort_values("started_at", kind="stable", ignore_index=True)
    return subscriptions.assign(subscription_id=_ids("S", pd.factorize(subscriptions["subscription_id"])[0], 5))


def _responses(rng: np.random.Generator, orders: pd.DataFrame, subscriptions: pd.DataFrame) -> pd.DataFrame:
    """Answers some days after a purchase. Those about to leave are less content, and so is the marketplace."""
    rated = orders[(orders["pence"] > 0) & orders["customer_id"].notna()]
    rated = rated.assign(responded_at=rated["ordered_at"] + _days(rng.integers(1, 11, len(rated))))
    rated = rated[rated["responded_at"] < AS_OF]
    rated = rated.iloc[rng.choice(len(rated), RESPONSES, replace=False)]
    rated = rated.sort_values("responded_at", kind="stable", ignore_index=True)
    ends = subscriptions[subscriptions["status"] == "cancelled"].sort_values("ended_at", kind="stable")
    ends = ends[["customer_id", "ended_at"]].assign(responded_at=ends["ended_at"])
    ends = pd.merge_asof(rated, ends, on="responded_at", by="customer_id", direction="forward", tolerance=LEAVING_SOON)
    leaving = rated["last"] | ends["ended_at"].notna()

    between, within = MOOD_SPREAD
    own = rng.normal(0, between, CUSTOMERS)[rated["customer"]] + rng.normal(0, within, RESPONSES)
    mood = own + _column(CHANNELS, "mood")[rated["channel"]] + LEAVING_MOOD * leaving
    mood += BETTER_MOOD * _improvement(_month(rated["responded_at"].to_numpy()))
    survey = rng.choice(len(SURVEYS), RESPONSES, p=_column(SURVEYS, "share"))
    low, high, mean, spread = (_column(SURVEYS, name)[survey] for name in ("low", "high", "mean", "spread"))
    words = pd.Series(np.where(mood > 0, rng.choice(PRAISE, RESPONSES), rng.choice(COMPLAINTS, RESPONSES)))
    return pd.DataFrame(
        {
            "customer_id": rated["customer_id"].mask(rng.random(RESPONSES) < ANONYMOUS),
            "responded_at": rated["responded_at"],
            "survey": _column(SURVEYS, "name")[survey],
            "score": np.clip(np.rint(mean + spread * mood), low, high).astype(int),
            "comment": words.where(rng.random(RESPONSES) < COMMENTS),
        }
    )


def _bill(orders: pd.DataFrame) -> pd.DataFrame:
    """Orders as the shop prints them: pounds with two decimals, and nothing that only the generator knows."""
    amount = [f"{pence / 100:.2f}" for pence in orders["pence"]]
    orders = orders.assign(amount=amount, channel=_column(CHANNELS, "name")[orders["channel"]])
    return orders[["customer_id", "order_id", "ordered_at", "amount", "refund_of", "country", "channel"]]


def _soiled(rng: np.random.Generator, tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables with times as text and a few bad rows: ends before starts, unreadable or impossible values, copies."""

    def pick(rows: int | np.ndarray, count: int) -> np.ndarray:
        return rng.choice(rows, count, replace=False)

    spells = tables["subscriptions"]
    rows = pick(np.flatnonzero(spells["status"] == "cancelled"), ENDED_TOO_EARLY)
    spells.loc[rows, "ended_at"] = spells.loc[rows, "started_at"] - _days(3)
    for table in tables.values():
        for name in table.select_dtypes("datetime"):
            table[name] = table[name].dt.strftime("%Y-%m-%d %H:%M:%S")
    orders, responses = tables["orders"], tables["responses"]
    orders.loc[pick(len(orders), len(UNREADABLE_DATES)), "ordered_at"] = UNREADABLE_DATES
    orders.loc[pick(len(orders), len(UNREADABLE_AMOUNTS)), "amount"] = UNREADABLE_AMOUNTS
    responses.loc[pick(len(responses), len(UNREADABLE_DATES)), "responded_at"] = UNREADABLE_DATES
    for survey, scores in IMPOSSIBLE_SCORES.items():
        responses.loc[pick(np.flatnonzero(responses["survey"] == survey), len(scores)), "score"] = scores
    for name, table in tables.items():
        rows = np.append(np.arange(len(table)), pick(len(table), COPIED[name]))
        tables[name] = table.iloc[np.sort(rows)].reset_index(drop=True)
    return tables


def _clock() -> np.ndarray:
    """The seasonal clock at each midnight since opening: fast when people buy much, about 365 a year."""
    months = np.arange(OPENED, AS_OF).astype("M8[M]").astype(int) % 12
    return np.insert(np.cumsum(np.array(SEASON)[months]), 0, 0.0)


def _calendar(clock: np.ndarray) -> np.ndarray:
    """Instants at which the seasonal clock shows these times, within opening hours, when no clock is put back."""
    midnights = _clock()
    day, share = np.divmod(np.interp(clock, midnights, np.arange(len(midnights))), 1)
    return OPENED + _days(day.astype(int)) + ((7 + 15 * share) * 3600).astype("m8[s]")


def _anniversary(start: pd.Series, months: pd.Series) -> pd.Series:
    within_month = start.to_numpy() - start.to_numpy().astype("M8[M]")
    return pd.Series(start.to_numpy().astype("M8[M]") + months.to_numpy() + within_month)


def _month(time: np.ndarray) -> np.ndarray:
    """Whole months since opening."""
    return (time.astype("M8[M]") - OPENED.astype("M8[M]")).astype(int)


def _improvement(month: np.ndarray) -> np.ndarray:
    return np.interp(month, IMPROVING, (0.0, 1.0))


def _leaving(month: np.ndarray) -> np.ndarray:
    return 1 - LESS_LEAVING * _improvement(month)


def _days(count: int | np.ndarray) -> np.ndarray:
    return np.asarray(count).astype("m8[D]")


def _ids(prefix: str, numbers: np.ndarray, digits: int) -> list[str]:
    return [f"{prefix}{number + 1:0{digits}}" for number in numbers]


def _column(table: tuple, name: str) -> np.ndarray:
    return np.array([getattr(row, name) for row in table])
