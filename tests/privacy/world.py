"""A whole platform in memory around the pure saga: holders, messages in flight, scans, a clock. Nothing is real
but the saga; that is the point: every order of events can be tried, in microseconds."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter

from services.privacy import saga as machine
from services.privacy.progress import Outcome
from services.privacy.protocol import (
    LAST,
    Alert,
    AmendCertificate,
    Command,
    ErasureCompleted,
    Input,
    InventoryCompleted,
    IssueCertificate,
    ItemReleased,
    PlaceHold,
    PublishErasureRequested,
    PublishInventoryRequested,
    PublishVerified,
    Record,
    ReleaseHold,
    Resend,
    RetainedLooked,
    ScanFinished,
    StartScan,
    Tick,
    UserDeleted,
)
from services.privacy.state import Saga

START = datetime(2026, 11, 23, 9, tzinfo=UTC)
RETAINED_UNTIL = datetime(2033, 11, 23, tzinfo=UTC)
OUTSIDE = "billing.payment-provider"
STORED = TypeAdapter(Saga)


@dataclass
class HolderModel:
    """A service that holds rows of the person. It remembers its totals, as the real holder does.

    A holder whose lie is "zero" erases nothing and answers 0, where no scan can see it; one whose lie is "all"
    erases nothing and answers as if it had. `items` are its rows that somebody holds, by hold and holding; what an
    outside party has goes only while that is `up`, and is proven then.
    """

    name: str
    rows: dict[str, int]
    lie: str = ""
    inventory: dict[str, int] | None = None
    erased: dict[str, int] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)
    items: dict[str, tuple[str, int]] = field(default_factory=dict)
    up: bool = True
    proofs: int = 0
    attempt: int = 0

    def freeze(self, at: datetime) -> InventoryCompleted:
        """Count once, and answer with that ever after."""
        if self.inventory is None:
            self.inventory = dict(self.rows)
        return InventoryCompleted(at, self.name, dict(self.inventory))

    def erase(self, at: datetime, attempt: int, at_most: int | None = None) -> ErasureCompleted:
        """Erase what is not held, at most so much of each holding; a liar erases nothing."""
        self.attempt = max(attempt, self.attempt)
        if self.lie == "all":
            return ErasureCompleted(
                at, self.name, attempt, {name: Outcome(n) for name, n in self.rows.items()}
            )
        for holding, rows in self.rows.items():
            loose = rows - self.held_of(holding)
            down = holding == OUTSIDE and not self.up
            gone = 0 if self.lie or down else min(loose, loose if at_most is None else at_most)
            self.proofs += holding == OUTSIDE and gone > 0
            self.rows[holding] -= gone
            pile = self.kept if holding.endswith("payments") else self.erased
            pile[holding] = pile.get(holding, 0) + gone
        return ErasureCompleted(at, self.name, attempt, {name: self._outcome(name) for name in self.rows})

    def held_of(self, holding: str) -> int:
        """Return how many rows of a holding are held."""
        return sum(count for place, count in self.items.values() if place == holding)

    def _outcome(self, holding: str) -> Outcome:
        held = 0 if self.lie else self.held_of(holding)
        holds = tuple(sorted(hold for hold, (place, _) in self.items.items() if place == holding))
        done = Outcome(self.erased.get(holding, 0), held=held, holds=holds if held else ())
        if kept := self.kept.get(holding):
            until = RETAINED_UNTIL.date().isoformat()
            return replace(done, retained=kept, ground="tax-law", retained_until=until)
        proofs = tuple((f"er_{number}", START.isoformat()) for number in range(self.proofs))
        return replace(done, proofs=proofs if holding == OUTSIDE else ())


def holders(lying: str | None, lie: str) -> dict[str, HolderModel]:
    """Return five holders with rows of every sort."""
    rows = {
        "auth": {"auth.users": 1, "auth.sessions": 3},
        "gallery": {"gallery.images": 40, "gallery.objects": 120},
        "generation": {"generation.jobs": 7, "generation.objects": 0},
        "billing": {"billing.payments": 5, "billing.accounts": 1, OUTSIDE: 5},
        "privacy": {"vault.keys": 1},
    }
    return {name: HolderModel(name, dict(held), lie if name == lying else "") for name, held in rows.items()}


@dataclass
class Scan:
    """A scan under way: what it will report was decided by what it could see when it began."""

    run: int
    findings: int
    begun_at_answer: int


@dataclass
class World:
    """The saga and everything around it. What the saga promises is asserted at the moment it certifies."""

    lying: str | None = None
    lie: str = "zero"

    def __post_init__(self) -> None:
        self.now = START
        self.holders = holders(self.lying, self.lie)
        self.saga = Saga()
        self.requests: list[tuple[str, Command]] = []  # in flight to a holder
        self.answers: list[InventoryCompleted | ErasureCompleted] = []  # in flight to privacy
        self.wanted_scans: list[int] = []
        self.scans: list[Scan] = []
        self.certificates = 0
        self.announced = 0
        self.alerts: list[str] = []
        self.heard: dict[str, list[Input]] = {name: [] for name in self.holders}
        self.last_news = 0
        self.count = 0
        self.held_until: datetime | None = None
        self.asked_to_erase = False
        self.recorded: list[str] = []
        self.looks: list[RetainedLooked] = []  # in flight: what somebody saw of what the law kept
        self.amended: list[str] = []

    @property
    def items(self) -> set[str]:
        """Return the holds on items that stand."""
        return {hold for holder in self.holders.values() for hold in holder.items}

    @property
    def visible(self) -> int:
        """Return how many rows of the person a scan can see."""
        return sum(sum(holder.rows.values()) for holder in self.holders.values() if holder.lie != "zero")

    @property
    def remaining(self) -> int:
        """Return how many rows of the person are left anywhere."""
        return sum(sum(holder.rows.values()) for holder in self.holders.values())

    @property
    def verified(self) -> bool:
        return self.certificates > 0

    @property
    def held(self) -> bool:
        """Tell whether nothing may be erased now, by the operators' orders and the clock alone."""
        return self.held_until is not None and self.now < self.held_until

    def hold(self, by: timedelta) -> None:
        """Have an operator hold the case. It counts where no holder was asked to erase, or has told that it did."""
        if not self.asked_to_erase:
            self.held_until = self.now + by
        self.feed(PlaceHold(self.now, self.now + by, "legal-claim", "staff:1"))

    def release(self) -> None:
        self.held_until = None
        self.feed(ReleaseHold(self.now, "staff:1"))

    def hold_items(self) -> None:
        """Have items held before anything is erased: two in one holding, one elsewhere, one that is kept by law."""
        self.holders["gallery"].items = {"a": ("gallery.images", 2), "b": ("gallery.images", 1)}
        self.holders["generation"].items = {"c": ("generation.jobs", 1)}
        self.holders["billing"].items = {"d": ("billing.payments", 1)}

    def release_item(self, pick: int, *, answers: bool, tells: bool) -> None:
        """End a hold on an item. Its holder's answer may be lost, and what privacy is told of it too."""
        name, hold = sorted((name, hold) for name, each in self.holders.items() for hold in each.items)[
            pick % len(self.items)
        ]
        holder = self.holders[name]
        del holder.items[hold]
        if answers and holder.attempt:
            self.answers.append(holder.erase(self.now, holder.attempt))
        if tells:
            self.feed(ItemReleased(self.now))

    def sweep(self) -> None:
        """End what the law kept, where it lets go of it."""
        if self.now >= RETAINED_UNTIL:
            self.holders["billing"].kept = {}

    def look(self) -> None:
        """Look what is left of what the law kept, whenever; what was seen is on its way for a while."""
        gone = tuple(name for name in self.saga.retained if not self.holders["billing"].kept.get(name))
        self.looks.append(RetainedLooked(self.now, gone))

    def open(self) -> None:
        self.feed(UserDeleted(self.now, START))

    def feed(self, happened: Input, clean_scan: Scan | None = None) -> None:
        """Give the saga something, carry out what it asks for, and hold it to its promises."""
        self.count += 1
        if isinstance(happened, InventoryCompleted | ErasureCompleted):
            self._hear(happened)
        self.saga, commands = machine.step(self.saga, happened)
        for command in commands:
            self._carry_out(command, clean_scan)

    def _hear(self, answer: InventoryCompleted | ErasureCompleted) -> None:
        """Note an answer; one that says something new makes every scan begun before it worthless."""
        self.asked_to_erase |= isinstance(answer, ErasureCompleted)
        known = self.heard[answer.holder]
        if answer in known:
            return
        if isinstance(answer, ErasureCompleted) and not _dominated(answer, known):
            self.last_news = self.count
        known.append(answer)

    def _carry_out(self, command: Command, scan: Scan | None) -> None:
        if isinstance(command, PublishErasureRequested | StartScan | IssueCertificate):
            assert not self.held, f"{command} while the case is held"
            self.asked_to_erase = True
        match command:
            case PublishInventoryRequested() | PublishErasureRequested():
                self._ask(command)
            case StartScan(run):
                self.wanted_scans.append(run)
            case Alert(reason):
                self.alerts.append(reason)
            case Record(action):
                self.recorded.append(action)
            case _:
                self._prove(command, scan)

    def _prove(self, command: Command, scan: Scan | None) -> None:
        match command:
            case IssueCertificate():
                self.certificates += 1
                self._hold_to_promises(scan)
            case AmendCertificate(holdings):
                self._hold_to_amendment(holdings)
            case PublishVerified():
                self.announced += 1

    def _ask(self, command: PublishInventoryRequested | PublishErasureRequested) -> None:
        asked = list(self.holders)
        if isinstance(command, PublishErasureRequested):
            asked = [name for name in self.holders if (name in LAST) is command.last]
            if command.last:
                self._hold_back_the_key()
        self.requests += [(name, command) for name in asked]

    def _hold_back_the_key(self) -> None:
        """The key goes when nothing is left that it could be needed for, as far as the holders tell the truth."""
        for name, known in self.heard.items():
            if name not in LAST:
                assert any(isinstance(each, ErasureCompleted) for each in known), f"{name} has erased nothing"
                assert not _unexplained(known), f"the key is to go, and {name} has not explained all it found"
        if not self.lying:
            left = {name: sum(holder.rows.values()) for name, holder in self.holders.items()}
            assert not any(count for name, count in left.items() if name not in LAST), left

    def _hold_to_promises(self, scan: Scan | None) -> None:
        assert self.certificates == 1, "a second certificate"
        assert scan is not None, "VERIFIED without a scan"
        assert scan.findings == 0, "VERIFIED though the scan saw something"
        assert scan.begun_at_answer >= self.last_news, "VERIFIED by a scan from before the last erasure"
        for name, known in self.heard.items():
            assert any(isinstance(each, InventoryCompleted) for each in known), f"{name} never counted"
            assert any(isinstance(each, ErasureCompleted) for each in known), f"{name} never answered"
            assert not _unexplained(known), f"{name} did not explain all it found"
        assert self.remaining == 0, "VERIFIED though rows are left"
        assert not self.items, "VERIFIED though something is held"
        part = self.saga.holders["billing"]
        assert part.outcomes[OUTSIDE].proofs, "VERIFIED though an outside party has proven nothing"

    def _hold_to_amendment(self, holdings: tuple[str, ...]) -> None:
        assert self.certificates == 1, "an amendment of nothing"
        assert holdings, "an amendment that says nothing"
        for name in holdings:
            assert self.now >= RETAINED_UNTIL, "amended before the law lets go"
            assert not self.holders["billing"].kept.get(name), "amended though something is kept"
            assert name not in self.amended, "amended twice"
            self.amended.append(name)

    def serve(self, index: int, at_most: int | None = None) -> None:
        """Let a holder work on a request, which stays in flight: it may be delivered again."""
        name, request = self.requests[index]
        match request:
            case PublishInventoryRequested():
                self.answers.append(self.holders[name].freeze(self.now))
            case PublishErasureRequested(attempt, _):
                self.answers.append(self.holders[name].erase(self.now, attempt, at_most))
            case other:
                raise TypeError(f"no request: {other}")

    def begin_scan(self, index: int) -> None:
        self.scans.append(Scan(self.wanted_scans[index], self.visible, self.count))

    def end_scan(self, index: int) -> None:
        scan = self.scans[index]
        self.feed(ScanFinished(self.now, scan.run, scan.findings), scan)

    def pass_time(self, by: timedelta) -> None:
        self.now += by
        self.feed(Tick(self.now))

    def restart(self) -> None:
        """Lose the process; go on with what was stored."""
        self.saga = STORED.validate_python(STORED.dump_python(self.saga))

    def settle(self, rounds: int = 60) -> None:
        """From here on everything works: nothing is lost, everyone answers in full, holds end, time goes by.

        Nobody tells that a hold on an item has ended: the case finds out by itself.
        """
        self.holders["billing"].up = True
        while self.items and rounds > 1:
            self.release_item(0, answers=False, tells=False)
        if self.held_until:
            self.pass_time(max(self.held_until - self.now, timedelta()))
        for _ in range(rounds):
            if self.verified:
                return
            self._settle_once()

    def _settle_once(self) -> None:
        """Deliver all that is in flight, scan what waits for it, and let an hour go by."""
        requests, self.requests = self.requests, []
        for name, request in requests:
            self.requests = [(name, request)]
            self.serve(0)
        self.requests = []
        answers, self.answers = self.answers, []
        for answer in answers:
            self.feed(answer)
        while self.wanted_scans and not self.verified:
            self.begin_scan(0)
            self.wanted_scans.pop(0)
            self.end_scan(-1)
        if self.alerts and "attempts-exhausted" in self.saga.attention and not self.lying:
            self.feed(Resend(self.now))
        self.pass_time(timedelta(hours=1))


def _dominated(answer: ErasureCompleted, known: list[Input]) -> bool:
    """Tell whether an answer says nothing that later ones have not said already."""
    said = [each for each in known if isinstance(each, ErasureCompleted)]
    return any(each.attempt >= answer.attempt for each in said) and all(
        any(
            each.outcomes[name].erased >= outcome.erased and each.outcomes[name].retained >= outcome.retained
            for each in said
        )
        for name, outcome in answer.outcomes.items()
    )


def _unexplained(known: list[Input]) -> bool:
    """Tell whether something was found that no answer explains; counted here without the saga's own code."""
    found: dict[str, int] = {}
    explained: dict[str, int] = {}
    for each in known:
        if isinstance(each, InventoryCompleted):
            for name, count in each.found.items():
                found[name] = max(count, found.get(name, 0))
        elif isinstance(each, ErasureCompleted):
            for name, outcome in each.outcomes.items():
                explained[name] = max(outcome.erased + outcome.retained, explained.get(name, 0))
    return any(explained.get(name, 0) < count for name, count in found.items())
