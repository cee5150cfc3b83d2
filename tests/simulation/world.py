"""Virtual time, and actors that take turns in it: at every call that they make to the outside, anything may happen.

An actor is one process: a green thread that runs real code against parts of memory. Each of those parts calls
`Actor.call` around what it does, and there the actor waits until its turn comes; meanwhile the others go on. A fault
may stand there: the process is killed before the call, stalls, is asked to stop, or loses the line it talks over,
before the call arrives or before the answer does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Protocol, TypeVar

import greenlet

T = TypeVar("T")

STEP = 0.001
"""What a call takes when nothing is in its way."""
REST = 0.1
"""What stays settled for so long is."""
MOST_STEPS = 50_000

KILL, STALL, STOP, LOSE, LOSE_ANSWER = "kill", "stall", "stop", "lose", "lose the answer"

_WHEN = attrgetter("wake")


@dataclass(frozen=True)
class Fault:
    """What happens to an actor at one of its calls: the n-th one of that name."""

    actor: str
    call: str
    nth: int
    kind: str
    seconds: float
    """How long it stalls, or stays away before it is started again."""


class Broken(AssertionError):
    """A property does not hold; the message tells how it came to that."""


class Line(Protocol):
    """A connection to something outside the process, which ends with it."""

    def check(self) -> None:
        """Raises what a caller sees of a lost line."""

    def lose(self) -> None:
        """Ends it, with everything the other side ties to it."""


class Awaiting(Protocol):
    """Whoever calls a part of memory. `Undisturbed` calls do what they say at once."""

    lines: list[Line]
    """What ends with the process."""

    def call(self, name: str, line: Line, effect: Callable[[], T]) -> T: ...

    def pause(self, name: str, seconds: float = STEP) -> str: ...

    def tell(self, what: str) -> None: ...


class Undisturbed:
    """A caller outside of any simulation."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def call(self, name: str, line: Line, effect: Callable[[], T]) -> T:
        line.check()
        return effect()

    def pause(self, name: str, seconds: float = STEP) -> str:
        return ""

    def tell(self, what: str) -> None:
        pass


class Actor:
    """A process that is started again whenever it ended. It is also the `stopping` that its loops heed."""

    def __init__(self, world: World, name: str, main: Callable[[Actor], None], *, restarts: bool = True) -> None:
        self.world, self.name, self._main, self._restarts = world, name, main, restarts
        self.wake = 0.0
        self.waits = False
        """Whether it would rather be woken by what arrives than by its time."""
        self.stalled = False
        self.lines: list[Line] = []
        self._points: Counter[str] = Counter()
        self._stop = False
        self._away = 0.0
        self._thread = self._fresh_thread()

    # What the world does with it.

    def go(self) -> None:
        self.waits = False
        self.world.whose_turn = self.name
        self._thread.switch()
        if self._thread.dead:
            self._ended()

    def end(self) -> None:
        self._restarts = False
        self._thread.throw(greenlet.GreenletExit)

    @property
    def done(self) -> bool:
        return self._thread.dead and not self._restarts

    # What the parts of memory do on its behalf.

    def call(self, name: str, line: Line, effect: Callable[[], T]) -> T:
        fault = self.pause(name)
        if fault == LOSE:
            line.lose()
        line.check()
        result = effect()
        if fault == LOSE_ANSWER:
            line.lose()
            line.check()
        return result

    def pause(self, name: str, seconds: float = STEP) -> str:
        """Lets the others go on for that long, and returns the fault that the caller has to act out, or ''."""
        if self._thread is not greenlet.getcurrent() or self.world.over:
            raise greenlet.GreenletExit
        self._points[name] += 1
        fault = self.world.faults.pop((self.name, name, self._points[name]), None)
        self.wake = self.world.now + seconds
        if fault is None:
            self.world.scheduler.switch()
            return ""
        return self._suffer(fault)

    def tell(self, what: str) -> None:
        self.world.tell(self.name, what)

    def _suffer(self, fault: Fault) -> str:
        place = f"at its {_ordinal(fault.nth)} {fault.call!r}"
        self._away = fault.seconds
        if fault.kind == KILL:
            self.tell(f"is killed {place}, and away for {fault.seconds:g} s")
            raise greenlet.GreenletExit
        if fault.kind == STOP:
            self.tell(f"is asked to stop {place}, and away for {fault.seconds:g} s afterwards")
            self._stop = True
        elif fault.kind == STALL:
            self.tell(f"stalls {place} for {fault.seconds:g} s")
            self.wake += fault.seconds
            self.stalled = True
        self.world.scheduler.switch()
        self.stalled = False
        if fault.kind == LOSE:
            self.tell(f"loses its connection {place}, before anything was done")
        elif fault.kind == LOSE_ANSWER:
            self.tell(f"loses its connection {place}, after it was done")
        return fault.kind

    # `Stopping`, for the code under test.

    def is_set(self) -> bool:
        return self._stop

    def wait(self, timeout: float) -> bool:
        if not self._stop:
            self.pause("wait", timeout)
        return self._stop

    def _fresh_thread(self) -> greenlet.greenlet:
        return greenlet.greenlet(self._live, parent=self.world.scheduler)

    def _live(self) -> None:
        try:
            self._main(self)
        except Exception as error:  # noqa: BLE001 - whatever a process dies of is a finding
            if self.world.broken is None:
                self.world.breaks(f"{self.name} died of {type(error).__name__}: {error}")

    def _ended(self) -> None:
        for line in self.lines:
            line.lose()
        self.lines.clear()
        self._stop = False
        if self._restarts:
            self._thread = self._fresh_thread()
            self.wake = self.world.now + self._away


@dataclass
class World:
    """Time, the actors in it, and the story of what they did."""

    faults: dict[tuple[str, str, int], Fault] = field(default_factory=dict)
    now: float = 0.0
    actors: list[Actor] = field(default_factory=list)
    story: list[tuple[float, str, str]] = field(default_factory=list)
    broken: str | None = None
    over: bool = False
    whose_turn: str = ""
    _settled_since: float = 0.0
    _happenings: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.scheduler = greenlet.getcurrent()

    def clock(self) -> float:
        return self.now

    def start(self, name: str, main: Callable[[Actor], None], *, at: float = 0.0, restarts: bool = True) -> None:
        actor = Actor(self, name, main, restarts=restarts)
        actor.wake = at
        self.actors.append(actor)

    def at(self, time: float, happening: Callable[[], None]) -> None:
        self._happenings.append((time, len(self._happenings), happening))
        self._happenings.sort(reverse=True)

    def tell(self, who: str, what: str) -> None:
        self.story.append((self.now, who, what))

    def breaks(self, what: str) -> None:
        """Ends the world: a property does not hold."""
        if self.broken is None:
            self.broken = what
        if greenlet.getcurrent() is not self.scheduler:
            raise greenlet.GreenletExit

    def run(self, settled: Callable[[], bool], within: float) -> None:
        """Gives turns until everything is settled. Raises `Broken`, also if that takes longer than `within`."""
        try:
            for _ in range(MOST_STEPS):
                if self.broken is not None or self._stays(settled):
                    break
                self._step()
                if self.now > within:
                    self.breaks(f"nothing is settled after {within:g} s")
            else:
                self.breaks("nothing is settled after very many steps")
        finally:
            self.over = True
            for actor in self.actors:
                actor.end()
        self.check()

    def check(self) -> None:
        if self.broken is not None:
            raise Broken(self.told())

    def told(self) -> str:
        """The story, and its end."""
        lines = [f"{time:9.3f}  {who:<13} {what}" for time, who, what in self.story]
        return "\n".join(["", *lines, f"{self.now:9.3f}  BROKEN        {self.broken}"])

    def _step(self) -> None:
        actor = min(self.actors, key=_WHEN, default=None)
        if self._happenings and (actor is None or self._happenings[-1][0] <= actor.wake):
            time, _, happening = self._happenings.pop()
            self.now = max(self.now, time)
            happening()
        elif actor is not None:
            self.now = max(self.now, actor.wake)
            actor.go()
            if actor.done:
                self.actors.remove(actor)

    def _stays(self, settled: Callable[[], bool]) -> bool:
        """Whether everything has been settled for a while, with nobody stalled and nothing to come."""
        if self._happenings or not settled() or any(actor.stalled for actor in self.actors):
            self._settled_since = self.now
        return self.now - self._settled_since > REST


def _ordinal(n: int) -> str:
    return f"{n}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(n, 'th') }"


def by_place(faults: Any) -> Mapping[tuple[str, str, int], Fault]:
    """Faults by where they stand; the first of two at one place counts."""
    return {(fault.actor, fault.call, fault.nth): fault for fault in reversed(list(faults))}
