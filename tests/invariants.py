"""The invariants of the platform, judged from what is stored and from nothing else.

One function, `check_invariants`, reads the databases under their owners and the audit log's files, and says everything
that is wrong. It shares no code with what it judges: hashing, checkpoints, JSON and replay are written here again, in
the words of the standards (RFC 6962, C2SP signed-note and tlog-checkpoint).

    lost        a committed event or an accepted command is missing somewhere it must be
    duplicated  something is there once more than it happened
    fork        two things that were signed, archived or stored contradict each other
    broken      anything else that does not hold
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from psycopg.rows import namedtuple_row

from deploy.local.platform import Platform
from tests.tiles import listed_public_keys

LOST, DUPLICATED, FORK, BROKEN = "lost", "duplicated", "fork", "broken"
TILE_WIDTH = 256
AUDIT = "audit"


@dataclass(frozen=True)
class Answer:
    """The definite answer of one command, as its client has it."""

    command_id: str
    status: int
    document: Mapping[str, Any]
    """The body: of an accepted command it names the `stream` and `version` it wrote, if the route tells."""

    @property
    def accepted(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True)
class Finding:
    """One thing that does not hold."""

    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


@dataclass
class Findings:
    """Everything that does not hold, and how much was looked at."""

    items: list[Finding] = field(default_factory=list)
    looked_at: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, what: str) -> None:
        self.items.append(Finding(kind, what))

    def unless(self, holds: bool, kind: str, what: str) -> None:
        if not holds:
            self.add(kind, what)

    def of(self, kind: str) -> int:
        return sum(item.kind == kind for item in self.items)

    @property
    def lost(self) -> int:
        return self.of(LOST)

    @property
    def duplicated(self) -> int:
        return self.of(DUPLICATED)

    @property
    def forks(self) -> int:
        return self.of(FORK)

    def __bool__(self) -> bool:
        return bool(self.items)

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {name}" for name, count in self.looked_at.items())
        listed = "\n".join(f"  {item}" for item in self.items[:25])
        more = f"\n  … and {len(self.items) - 25} more" if len(self.items) > 25 else ""
        return (
            f"lost {self.lost}, duplicated {self.duplicated}, forks {self.forks}, "
            f"broken {self.of(BROKEN)} (of {counts})\n{listed}{more}"
        )


def check_invariants(platform: Platform, accepted: Mapping[str, Answer]) -> Findings:
    """Judges a platform at rest. `accepted` is what clients were told, by Idempotency-Key."""
    publishers = [name for name in platform.databases if name != "keyring"]
    stores = {}
    for name in publishers:
        with owner_connection(platform, name, at_one_moment=True) as connection:
            stores[name] = read_store(connection, name)
    with owner_connection(platform, AUDIT, at_one_moment=True) as connection:
        log = read_log(connection, platform)
    return judge(stores, log, accepted)


def owner_connection(platform: Platform, name: str, *, at_one_moment: bool = False) -> psycopg.Connection[Any]:
    """A connection under the role that owns the database: it sees everything, if asked as it was at one moment."""
    database = platform.databases[name]
    url = platform.database_url(database.name, database.owner)
    connection = psycopg.connect(url, row_factory=namedtuple_row, connect_timeout=5)
    if at_one_moment:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
    return connection


# --- what is stored ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Store:
    """All rows of one service's event store, and of its read models."""

    events: dict[str, Any]
    feed: list[Any]
    epochs: list[Any]
    head: Any
    outbox: list[str]
    commands: dict[str, Any]
    tables: dict[str, list[Any]]


@dataclass(frozen=True)
class Log:
    """All rows of the audit log and what lies in its files."""

    leaves: list[Any]
    size: int
    checkpoints: list[Any]
    tiles: dict[tuple[int, int], Any]
    cursors: list[Any]
    terms: set[tuple[int, int]]
    sealed: dict[tuple[int, str], Any]
    consents: list[Any]
    archive: list[bytes]
    guard: str
    origin: str
    public_keys: list[bytes]


READ_MODELS = {
    "identity": (
        "accounts",
        "consents",
        "sessions",
        "session_tokens",
        "api_tokens",
        "api_token_hashes",
        "email_index",
        "passwords",
        "organisations",
        "memberships",
    )
}


def read_store(connection: psycopg.Connection[Any], name: str) -> Store:
    rows = _reader(connection)
    return Store(
        events={str(row.event_id): row for row in rows("SELECT * FROM events")},
        # A place counts in the newest epoch that begins before it, whatever it was numbered under.
        feed=rows(
            "SELECT position, (SELECT max(epoch) FROM feed_epochs WHERE after_position < position) AS epoch, "
            "event_id::text FROM feed ORDER BY position"
        ),
        epochs=rows("SELECT epoch, after_position FROM feed_epochs ORDER BY epoch"),
        head=rows("SELECT * FROM feed_head")[0],
        outbox=[str(row.event_id) for row in rows("SELECT event_id FROM outbox ORDER BY id")],
        commands={str(row.command_id): row for row in rows("SELECT command_id, outcome FROM commands")},
        tables={
            table: rows(f"SELECT * FROM {table}")
            for table in READ_MODELS.get(name, ())
            if rows(f"SELECT to_regclass('{table}') IS NOT NULL AS there")[0].there
        },
    )


def read_log(connection: psycopg.Connection[Any], platform: Platform) -> Log:
    rows = _reader(connection)
    folder: Path = platform.state.audit_log
    return Log(
        leaves=rows("SELECT *, event_id::text AS event FROM leaves ORDER BY leaf_index"),
        size=rows("SELECT size FROM log_head")[0].size,
        checkpoints=rows("SELECT size, note FROM checkpoints ORDER BY size"),
        tiles={(row.level, row.index): row for row in rows("SELECT * FROM tiles")},
        cursors=rows("SELECT *, event_id::text AS event FROM cursors"),
        terms={(row.term, row.leaf_index) for row in rows("SELECT * FROM leaf_terms")},
        sealed={(row.leaf_index, row.field): row for row in rows("SELECT * FROM sealed_values")},
        consents=rows("SELECT * FROM consents ORDER BY leaf_index"),
        archive=list(_archived(folder / "archive")),
        guard=(folder / "guard" / "checkpoint").read_text(),
        origin=platform.description.log_origin,
        public_keys=listed_public_keys((folder / "guard" / "keys").read_text()),
    )


def _reader(connection: psycopg.Connection[Any]) -> Any:
    return lambda query: connection.execute(query).fetchall()


def _archived(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.glob("*.leaves")):
        yield from path.read_bytes().split(b"\n")[:-1]


# --- judging ----------------------------------------------------------------------------------------------------------


def judge(stores: Mapping[str, Store], log: Log, accepted: Mapping[str, Answer]) -> Findings:
    """Everything that does not hold between these stores, this log and these answers."""
    findings = Findings()
    for name, store in stores.items():
        bodies = {event_id: json.loads(bytes(row.body)) for event_id, row in store.events.items()}
        _judge_feed(findings, name, store)
        _judge_streams(findings, name, store)
        _judge_bodies(findings, name, store, bodies)
        if name != AUDIT:  # whose events are questions, asked under ids that nobody has and nobody repeats
            _judge_commands(findings, name, store, bodies)
        _judge_read_models(findings, name, store, bodies)
        _judge_completeness(findings, name, store, log)
        _judge_leaves(findings, name, store, bodies, log)
    _judge_answers(findings, stores, accepted)
    _judge_nothing_else(findings, stores, log)
    _judge_tree(findings, log)
    _judge_checkpoints(findings, log)
    _judge_archive(findings, log)
    findings.looked_at |= Counter(
        events=sum(len(store.events) for store in stores.values()),
        leaves=len(log.leaves),
        checkpoints=len(log.checkpoints),
        answers=len(accepted),
    )
    return findings


def _judge_feed(findings: Findings, name: str, store: Store) -> None:
    listed = Counter(row.event_id for row in store.feed)
    for event_id in store.events:
        findings.unless(listed[event_id] > 0, LOST, f"{name}: event {event_id} has no feed row")
    for event_id, count in listed.items():
        findings.unless(count == 1, DUPLICATED, f"{name}: event {event_id} has {count} feed rows")
        findings.unless(event_id in store.events, BROKEN, f"{name}: the feed lists {event_id}, which is no event")
    positions = [row.position for row in store.feed]
    for position in sorted(set(range(1, max(positions, default=0) + 1)) - set(positions)):
        findings.add(LOST, f"{name}: the feed has a hole at {position}")
    findings.unless(positions[:1] in ([], [1]), BROKEN, f"{name}: the feed begins at {positions[:1]}")
    last = max(positions, default=0)
    findings.unless(store.head.position == last, BROKEN, f"{name}: the head says {store.head.position}, not {last}")
    findings.unless(store.head.published == last, LOST, f"{name}: published up to {store.head.published} of {last}")
    epochs = [row.epoch for row in store.feed]
    findings.unless(epochs == sorted(epochs), BROKEN, f"{name}: epochs go back within the feed")
    findings.unless(not epochs or epochs[-1] <= store.head.epoch, BROKEN, f"{name}: the feed is ahead of its epoch")
    findings.unless(not store.outbox, LOST, f"{name}: {len(store.outbox)} events wait in the outbox at rest")


def _judge_streams(findings: Findings, name: str, store: Store) -> None:
    streams = defaultdict(list)
    for row in store.events.values():
        streams[row.stream].append(row.version)
    for stream, versions in streams.items():
        expected = list(range(1, len(versions) + 1))
        findings.unless(sorted(versions) == expected, LOST, f"{name}: {stream} has versions {sorted(versions)}")
    seen: Counter[str] = Counter()
    for row in store.feed:
        event = store.events.get(row.event_id)
        if event is not None:
            in_order = event.version == seen[event.stream] + 1
            findings.unless(
                in_order, BROKEN, f"{name}: position {row.position} is {event.stream} v{event.version}, out of order"
            )
            seen[event.stream] = event.version


def _judge_bodies(findings: Findings, name: str, store: Store, bodies: Mapping[str, Any]) -> None:
    for event_id, row in store.events.items():
        body = bodies[event_id]
        stated = {
            "id": event_id,
            "source": f"/services/{name}",
            "subject": row.stream,
            "streamversion": row.version,
            "type": row.type,
        }
        for attribute, value in stated.items():
            findings.unless(
                body.get(attribute) == value, BROKEN, f"{name}: {attribute} of {event_id} is {body.get(attribute)}"
            )
        version = str(body.get("dataschema")).rsplit("/", 1)[-1]
        findings.unless(version == str(row.schema_version), BROKEN, f"{name}: schema version of {event_id}: {version}")
        findings.unless(canonical(body) == bytes(row.body), BROKEN, f"{name}: the body of {event_id} is not canonical")


def _judge_commands(findings: Findings, name: str, store: Store, bodies: Mapping[str, Any]) -> None:
    """Every event has its command, and every command that says it wrote a version of a stream wrote it, once."""
    effects = _effects(bodies)
    written = {(row.stream, row.version): bodies[event_id] for event_id, row in store.events.items()}
    for command_id in effects.keys() - store.commands.keys():
        findings.add(BROKEN, f"{name}: {len(effects[command_id])} events of {command_id}, which was never recorded")
    for command_id, row in store.commands.items():
        outcome = json.loads(bytes(row.outcome))
        events = effects.get(command_id, [])
        if "refused" in outcome:
            findings.unless(not events, BROKEN, f"{name}: refused command {command_id} has {len(events)} events")
        elif "stream" in outcome and events:
            last = written.get((outcome["stream"], outcome["version"]))
            findings.unless(
                last is not None and last.get("causationid") == command_id,
                LOST,
                f"{name}: {command_id} says it wrote {outcome['stream']} v{outcome['version']}",
            )
        if len(events) > 1:
            kinds = Counter((event["type"], event["subject"]) for event in events)
            for (kind, stream), count in kinds.items():
                findings.unless(count == 1, DUPLICATED, f"{name}: {command_id} made {count} {kind} in {stream}")


def _effects(bodies: Mapping[str, Any]) -> dict[str, list[Any]]:
    effects: dict[str, list[Any]] = defaultdict(list)
    for body in bodies.values():
        effects[body.get("causationid", "")].append(body)
    return effects


def _judge_answers(findings: Findings, stores: Mapping[str, Store], accepted: Mapping[str, Answer]) -> None:
    """What clients were told is what happened, once."""
    commands: dict[str, Any] = {}
    effects: dict[str, list[Any]] = {}
    for store in stores.values():
        commands |= store.commands
        effects |= _effects({event_id: json.loads(bytes(row.body)) for event_id, row in store.events.items()})
    ids = Counter(answer.command_id for answer in accepted.values())
    for key, answer in accepted.items():
        command = f"{key} ({answer.command_id})"
        findings.unless(ids[answer.command_id] == 1, BROKEN, f"two answers for one command: {command}")
        row = commands.get(answer.command_id)
        if row is None:
            findings.add(LOST, f"{command} was answered with {answer.status} and is not recorded")
            continue
        outcome = json.loads(bytes(row.outcome))
        events = effects.get(answer.command_id, [])
        if answer.accepted:
            findings.unless("refused" not in outcome, LOST, f"{command} was accepted and is recorded as refused")
            findings.unless(len(events) > 0, LOST, f"{command} was accepted and has no event")
            for kind, number in Counter(event["type"] for event in events).items():
                findings.unless(number == 1, DUPLICATED, f"{command} has {number} events of {kind}")
            told = {name: answer.document[name] for name in ("stream", "version") if name in answer.document}
            did = [{"stream": event["subject"], "version": event["streamversion"]} for event in events]
            findings.unless(
                not told or told in did, LOST, f"{command} was told it wrote {told}, and what it wrote is {did}"
            )
        else:
            code = str(answer.document.get("type")).rsplit("/", 1)[-1]
            kept = outcome.get("refused", {}).get("code")
            findings.unless(kept == code, BROKEN, f"{command} was refused with {code} and is recorded as {kept}")
            findings.unless(not events, BROKEN, f"{command} was refused and has {len(events)} events")


# --- read models ------------------------------------------------------------------------------------------------------


def _judge_read_models(findings: Findings, name: str, store: Store, bodies: Mapping[str, Any]) -> None:
    """Read models are what replaying the feed gives."""
    if "session_tokens" not in store.tables:
        return
    replay = _Replay()
    for row in store.feed:
        if row.event_id in bodies:
            replay.apply(bodies[row.event_id])
    accounts = {
        str(row.account_id): {
            "guards": row.guards,
            **{each: row_value for each in PROFILE if (row_value := getattr(row, each)) is not None},
        }
        for row in store.tables["accounts"]
    }
    consents = {(str(row.account_id), row.purpose): (row.state, row.effective_at) for row in store.tables["consents"]}
    sessions = {
        str(row.session_id): (str(row.account_id), row.guard, row.expires_at) for row in store.tables["session_tokens"]
    }
    _same(findings, f"{name}: accounts", replay.accounts, accounts)
    _same(findings, f"{name}: consents", replay.consents, consents)
    _same(findings, f"{name}: session_tokens", replay.sessions, sessions)
    listed = {str(row.session_id) for row in store.tables["sessions"]}
    _same(findings, f"{name}: sessions", dict.fromkeys(replay.sessions, True), dict.fromkeys(listed, True))
    tokens = {
        str(row.token_id): (str(row.account_id), row.guard, list(row.scopes), row.expires_at)
        for row in store.tables["api_tokens"]
    }
    _same(findings, f"{name}: api_tokens", replay.tokens, tokens)
    hashes = {str(row.token_id): str(row.account_id) for row in store.tables["api_token_hashes"]}
    _same(findings, f"{name}: api_token_hashes", {id: token[0] for id, token in replay.tokens.items()}, hashes)
    memberships = {(str(row.organisation_id), str(row.account_id)): row.role for row in store.tables["memberships"]}
    _same(findings, f"{name}: memberships", replay.memberships, memberships)
    standing = {str(row.organisation_id) for row in store.tables["organisations"]}
    owned = {organisation_id for (organisation_id, _), role in memberships.items() if role == "owner"}
    _same(findings, f"{name}: organisations with an owner", dict.fromkeys(standing, True), dict.fromkeys(owned, True))
    for table, holders in (("email_index", replay.accounts.keys()), ("passwords", replay.passwords)):
        owners = Counter(str(row.account_id) for row in store.tables[table])
        _same(findings, f"{name}: {table}", dict.fromkeys(holders, 1), dict(owners))


PROFILE = ("email", "name", "time_zone", "country")


class _Replay:
    """Identity's events once more, one after the other, into plain dictionaries."""

    def __init__(self) -> None:
        self.accounts: dict[str, dict[str, Any]] = {}
        self.consents: dict[tuple[str, str], tuple[str, datetime]] = {}
        self.sessions: dict[str, tuple[str, str, datetime]] = {}
        self.tokens: dict[str, tuple[str, str, list[str], datetime]] = {}
        self.passwords: set[str] = set()
        self.memberships: dict[tuple[str, str], str] = {}

    def apply(self, body: Mapping[str, Any]) -> None:
        handler = getattr(self, "_" + body["type"].removeprefix("okacrm.identity."), None)
        if handler is not None:
            handler(body["data"])

    def _account_registered(self, data: Mapping[str, Any]) -> None:
        sealed = {name: canonical(data[name]).decode() for name in PROFILE}
        self.accounts[data["account_id"]] = {"guards": [data["guard"]], **sealed}
        if data["guard"] not in ("compliance", "staff"):  # whoever is made for the house chooses a password later
            self.passwords.add(data["account_id"])

    def _account_profile_changed(self, data: Mapping[str, Any]) -> None:
        changed = {name: canonical(data[name]).decode() for name in PROFILE if name in data}
        self.accounts.setdefault(data["account_id"], {}).update(changed)

    def _account_password_changed(self, data: Mapping[str, Any]) -> None:
        self.passwords.add(data["account_id"])

    def _account_guard_added(self, data: Mapping[str, Any]) -> None:
        self.accounts[data["account_id"]]["guards"].append(data["guard"])

    def _account_guard_revoked(self, data: Mapping[str, Any]) -> None:
        self.accounts[data["account_id"]]["guards"].remove(data["guard"])

    def _account_erased(self, data: Mapping[str, Any]) -> None:
        account_id = data["account_id"]
        self.accounts.pop(account_id, None)
        self.passwords.discard(account_id)
        self.consents = {key: value for key, value in self.consents.items() if key[0] != account_id}
        self.sessions = {key: value for key, value in self.sessions.items() if value[0] != account_id}
        self.tokens = {key: value for key, value in self.tokens.items() if value[0] != account_id}

    def _consent_granted(self, data: Mapping[str, Any]) -> None:
        self._consent(data, "granted")

    def _consent_withdrawn(self, data: Mapping[str, Any]) -> None:
        self._consent(data, "withdrawn")

    def _consent(self, data: Mapping[str, Any], state: str) -> None:
        self.consents[data["account_id"], data["purpose"]] = (state, datetime.fromisoformat(data["effective_at"]))

    def _session_opened(self, data: Mapping[str, Any]) -> None:
        expires_at = datetime.fromisoformat(data["expires_at"])
        self.sessions[data["session_id"]] = (data["account_id"], data["guard"], expires_at)

    def _session_closed(self, data: Mapping[str, Any]) -> None:
        self.sessions.pop(data["session_id"], None)

    def _token_issued(self, data: Mapping[str, Any]) -> None:
        expires_at = datetime.fromisoformat(data["expires_at"])
        self.tokens[data["token_id"]] = (data["account_id"], data["guard"], data["scopes"], expires_at)

    def _token_revoked(self, data: Mapping[str, Any]) -> None:
        self.tokens.pop(data["token_id"], None)

    def _organisation_founded(self, data: Mapping[str, Any]) -> None:
        self.memberships[data["organisation_id"], data["account_id"]] = "owner"

    def _organisation_member_joined(self, data: Mapping[str, Any]) -> None:
        self.memberships[data["organisation_id"], data["account_id"]] = data["role"]

    def _organisation_member_role_changed(self, data: Mapping[str, Any]) -> None:
        self.memberships[data["organisation_id"], data["account_id"]] = data["role"]

    def _organisation_ownership_transferred(self, data: Mapping[str, Any]) -> None:
        self.memberships[data["organisation_id"], data["account_id"]] = "manager"
        self.memberships[data["organisation_id"], data["new_owner_id"]] = "owner"

    def _organisation_member_left(self, data: Mapping[str, Any]) -> None:
        self.memberships.pop((data["organisation_id"], data["account_id"]), None)

    def _organisation_closed(self, data: Mapping[str, Any]) -> None:
        self.memberships = {key: role for key, role in self.memberships.items() if key[0] != data["organisation_id"]}


def _same(findings: Findings, what: str, replayed: Mapping[Any, Any], stored: Mapping[Any, Any]) -> None:
    for key in replayed.keys() - stored.keys():
        findings.add(LOST, f"{what}: {key} is missing")
    for key in stored.keys() - replayed.keys():
        findings.add(BROKEN, f"{what}: {key} is there and no event says so")
    for key in replayed.keys() & stored.keys():
        if replayed[key] != stored[key]:
            findings.add(BROKEN, f"{what}: {key} is {stored[key]}, and replaying gives {replayed[key]}")


# --- the audit log ----------------------------------------------------------------------------------------------------


def _judge_completeness(findings: Findings, name: str, store: Store, log: Log) -> None:
    """Audit's leaves of a publisher are its feed: the same events at the same places in the same order."""
    fed = [(row.epoch, row.position, row.event_id) for row in store.feed]
    logged = [(leaf.epoch, leaf.position, leaf.event) for leaf in log.leaves if leaf.publisher == name]
    times = Counter(event_id for _, _, event_id in logged)
    for event_id, count in times.items():
        findings.unless(count == 1, DUPLICATED, f"audit: {count} leaves for event {event_id} of {name}")
    older = {event_id: epoch for epoch, _, event_id in logged}
    for epoch, position, event_id in set(fed) - set(logged):
        if older.get(event_id, epoch) < epoch:
            continue  # told again by a restored publisher; it is in the log, once
        findings.add(LOST, f"audit: {name} {epoch}/{position}, event {event_id}, has no leaf")
    for epoch, position, event_id in set(logged) - set(fed):
        if any(each.epoch > epoch and each.after_position < position for each in store.epochs):
            continue  # lost by a restored publisher, which has gone on behind a place before it
        findings.add(BROKEN, f"audit: a leaf for {name} {epoch}/{position}, event {event_id}, which the feed has not")
    findings.unless(
        [entry for entry in logged if entry in set(fed)] == sorted(set(fed) & set(logged), key=lambda entry: entry[1]),
        BROKEN,
        f"audit: leaves of {name} are not in the order of its feed",
    )
    last = fed[-1] if fed else (0, 0, None)
    for cursor in log.cursors:
        if cursor.publisher == name:
            stands = (cursor.epoch, cursor.position, cursor.event)
            findings.unless(stands == last, LOST, f"audit: cursor {cursor.subscription} at {stands}, feed at {last}")
            findings.unless(cursor.head == last[1], BROKEN, f"audit: {cursor.subscription} states head {cursor.head}")
            findings.unless(cursor.halted is None, BROKEN, f"audit: {cursor.subscription} is halted: {cursor.halted}")
    followed = any(cursor.publisher == name for cursor in log.cursors)
    findings.unless(followed or not fed, LOST, f"audit: nobody follows {name}")


def _judge_leaves(findings: Findings, name: str, store: Store, bodies: Mapping[str, Any], log: Log) -> None:
    """A leaf says of its event what the event's stored body says."""
    erased = {
        (leaf["subjects"][0], leaf["data"].get("category"))
        for leaf in (json.loads(bytes(row.leaf)) for row in log.leaves if "erased" in row.type)
    }
    places = {row.event_id: (row.epoch, row.position) for row in store.feed}
    for row in log.leaves:
        if row.publisher != name or row.event not in bodies or row.event not in places:
            continue
        body = bodies[row.event]
        leaf = json.loads(bytes(row.leaf))
        epoch, position = places[row.event]
        if epoch > row.epoch:
            epoch, position = row.epoch, row.position
        sealed = {key: value for key, value in body["data"].items() if isinstance(value, dict)}
        said = {
            "v": 1,
            "event_id": body["id"],
            "publisher": name,
            "epoch": epoch,
            "position": position,
            "workspace": body.get("workspace"),
            "stream": body["subject"],
            "stream_version": body["streamversion"],
            "type": body["type"],
            "schema_version": int(body["dataschema"].rsplit("/", 1)[1]),
            "actor": body["actor"],
            "subjects": body["datasubjects"].split(",") if body.get("datasubjects") else [],
            "correlation": body["correlationid"],
            "causation": body.get("causationid"),
            "occurred_at": body["time"],
            "data": {key: value for key, value in body["data"].items() if key not in sealed},
            "sealed": [
                {
                    "field": key,
                    "category": value["category"],
                    "subject": value["subject"],
                    "key": value["key"],
                    "sha256": sha256(b64decode(value["ciphertext"])).hexdigest(),
                }
                for key, value in sorted(sealed.items())
            ],
        }
        for key, value in said.items():
            findings.unless(
                leaf.get(key) == value, FORK, f"audit: leaf {row.leaf_index} says {key} {leaf.get(key)}, not {value}"
            )
        findings.unless(
            leaf.keys() - said.keys() == {"received_at", "workspace_counter"},
            BROKEN,
            f"audit: leaf {row.leaf_index} says more than leaves say",
        )
        for key, value in sealed.items():
            kept = log.sealed.get((row.leaf_index, key))
            findings.unless(
                (kept is None and bool(erased & {(value["subject"], value["category"]), (value["subject"], None)}))
                or (kept is not None and bytes(kept.ciphertext) == b64decode(value["ciphertext"])),
                LOST,
                f"audit: the sealed {key} of leaf {row.leaf_index} is not kept",
            )
        for subject in said["subjects"]:
            number = int.from_bytes(sha256(f"subject:{subject}".encode()).digest()[:8], "big", signed=True)
            known = (number, row.leaf_index) in log.terms
            findings.unless(known, LOST, f"audit: leaf {row.leaf_index} is not found by its subject")


CONSENTS = {
    "okacrm.identity.consent_granted": "granted",
    "okacrm.identity.consent_withdrawn": "withdrawn",
    "okacrm.identity.cookie_consent_granted": "granted",
    "okacrm.identity.cookie_consent_refused": "refused",
    "okacrm.identity.cookie_consent_withdrawn": "withdrawn",
    "okacrm.identity.browser_signal_heard": "objected",
    "okacrm.identity.cookie_consent_carried_over": "carried_over",
}
OBJECTIONS = {
    "okacrm.identity.notice_objection_raised": "objected",
    "okacrm.identity.notice_objection_withdrawn": "objection_withdrawn",
}
RESTRICTIONS = {
    "okacrm.identity.account_restricted": "restricted",
    "okacrm.identity.account_unrestricted": "unrestricted",
}
NOTICES = {"product": "product_news", "policy_update": "policy_updates"}


def _said_of_consent(leaf: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Purpose, aspect and state that a leaf says for the register of consents."""
    kind, data = leaf["type"], leaf["data"]
    if kind in CONSENTS:
        return data["purpose"], "consent", CONSENTS[kind]
    if kind in OBJECTIONS:
        return NOTICES[data["kind"]], "objection", OBJECTIONS[kind]
    if kind in RESTRICTIONS:
        return "every_purpose", "restriction", RESTRICTIONS[kind]
    if kind == "okacrm.identity.notice_preference_changed":
        return NOTICES[data["kind"]], "preference", "wanted" if data["wanted"] else "not_wanted"
    return None


def _judge_nothing_else(findings: Findings, stores: Mapping[str, Store], log: Log) -> None:
    """Columns and registers repeat their leaf; nothing is in the log that is in no feed."""
    counters: Counter[str] = Counter()
    consents = {}
    for number, row in enumerate(log.leaves):
        findings.unless(row.leaf_index == number, LOST, f"audit: leaf {row.leaf_index} stands at {number}")
        findings.unless(row.publisher in stores, BROKEN, f"audit: leaf {row.leaf_index} is of {row.publisher}")
        leaf = json.loads(bytes(row.leaf))
        columns = {
            "event_id": row.event,
            "publisher": row.publisher,
            "epoch": row.epoch,
            "position": row.position,
            "type": row.type,
            "actor": row.actor,
        }
        for key, value in columns.items():
            findings.unless(leaf.get(key) == value, FORK, f"audit: {key} of leaf {number} is {value} beside its leaf")
        occurred = datetime.fromisoformat(leaf["occurred_at"])
        findings.unless(row.occurred_at == occurred, FORK, f"audit: the time of leaf {number} differs from its leaf")
        findings.unless(canonical(leaf) == bytes(row.leaf), BROKEN, f"audit: leaf {number} is not canonical")
        if (workspace := leaf.get("workspace")) is not None:
            counters[workspace] += 1
            counted = leaf["workspace_counter"] == counters[workspace]
            findings.unless(counted, BROKEN, f"audit: leaf {number} is not number {counters[workspace]} of {workspace}")
        if (said := _said_of_consent(leaf)) is not None:
            consents[number] = (leaf["subjects"][0], *said)
    kept = {row.leaf_index: (str(row.subject), row.purpose, row.aspect, row.state) for row in log.consents}
    _same(findings, "audit: consents", consents, kept)


# --- the tree (RFC 6962, section 2.1) ---------------------------------------------------------------------------------


class Tree:
    """The Merkle tree hash by its definition, remembering only the subtrees that can never change again."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._hashes = [sha256(b"\0" + leaf).digest() for leaf in leaves]
        self._full: dict[tuple[int, int], bytes] = {}

    def root(self, size: int) -> bytes:
        return sha256(b"").digest() if size == 0 else self.subtree(0, size)

    def leaf(self, index: int) -> bytes:
        return self._hashes[index]

    def subtree(self, first: int, size: int) -> bytes:
        """The hash over leaves `first` to `first + size`."""
        if size == 1:
            return self._hashes[first]
        if (known := self._full.get((first, size))) is not None:
            return known
        left = 1 << (size - 1).bit_length() - 1
        digest = sha256(b"\1" + self.subtree(first, left) + self.subtree(first + left, size - left)).digest()
        if size & (size - 1) == 0:
            self._full[first, size] = digest
        return digest


def _judge_tree(findings: Findings, log: Log) -> None:
    findings.unless(log.size == len(log.leaves), LOST, f"audit: the head says {log.size}, leaves are {len(log.leaves)}")
    tree = Tree([bytes(row.leaf) for row in log.leaves])
    for number, row in enumerate(log.leaves):
        findings.unless(bytes(row.leaf_hash) == tree.leaf(number), FORK, f"audit: the hash of leaf {number} is wrong")
    expected, level, span = set(), 0, 1
    while len(log.leaves) // span >= TILE_WIDTH:
        for index in range(len(log.leaves) // (span * TILE_WIDTH)):
            expected.add((level, index))
            first = index * TILE_WIDTH * span
            hashes = b"".join(tree.subtree(first + n * span, span) for n in range(TILE_WIDTH))
            tile = log.tiles.get((level, index))
            if tile is None:
                findings.add(LOST, f"audit: tile {level}/{index} is missing")
                continue
            whole = bytes(tile.hashes) == hashes and bytes(tile.root) == tree.subtree(first, TILE_WIDTH * span)
            findings.unless(whole, FORK, f"audit: tile {level}/{index} is not of this tree")
        level, span = level + 1, span * TILE_WIDTH
    for each in log.tiles.keys() - expected:
        findings.add(FORK, f"audit: tile {each} is beyond the tree")


def _judge_checkpoints(findings: Findings, log: Log) -> None:
    """Every checkpoint ever stored is of one and the same tree, and so all are consistent with each other."""
    tree = Tree([bytes(row.leaf) for row in log.leaves])
    for row in log.checkpoints:
        _judge_checkpoint(findings, log, tree, row.note, f"checkpoint {row.size}", row.size)
    newest = log.checkpoints[-1] if log.checkpoints else None
    if newest is None:
        findings.unless(not log.leaves, LOST, "audit: no checkpoint over the leaves")
        return
    findings.unless(newest.size == len(log.leaves), LOST, f"audit: signed are {newest.size} of {len(log.leaves)}")
    _judge_checkpoint(findings, log, tree, log.guard, "the guard", newest.size)
    findings.unless(log.guard == newest.note, FORK, "audit: the guard is not the newest checkpoint")


def _judge_checkpoint(findings: Findings, log: Log, tree: Tree, note: str, what: str, size: int) -> None:
    try:
        signed_size, root = read_checkpoint(note, log.origin, log.public_keys)
    except ValueError as error:
        findings.add(FORK, f"audit: {what}: {error}")
        return
    findings.unless(signed_size == size, FORK, f"audit: {what} is over {signed_size} leaves, not {size}")
    if signed_size > len(log.leaves):
        findings.add(LOST, f"audit: {what} is over {signed_size} leaves, and there are {len(log.leaves)}")
    else:
        findings.unless(tree.root(signed_size) == root, FORK, f"audit: {what} is over another tree")


def read_checkpoint(note: str, origin: str, public_keys: Sequence[bytes]) -> tuple[int, bytes]:
    """Size and root of a C2SP checkpoint with one good signature by a key of the log. Raises `ValueError`."""
    body, _, lines = note.rpartition("\n\n")
    signatures = lines.splitlines()
    if len(signatures) != 1:
        raise ValueError(f"{len(signatures)} signatures")
    dash, name, encoded = signatures[0].split(" ")
    signature = b64decode(encoded, validate=True)
    keys = {sha256(name.encode() + b"\n\x01" + key).digest()[:4]: key for key in public_keys}
    if dash != "—" or name != origin or signature[:4] not in keys:
        raise ValueError("signed by another key")
    try:
        Ed25519PublicKey.from_public_bytes(keys[signature[:4]]).verify(signature[4:], f"{body}\n".encode())
    except InvalidSignature:
        raise ValueError("the signature is wrong") from None
    stated_origin, size, root = body.split("\n")
    if stated_origin != origin:
        raise ValueError(f"of the log {stated_origin}")
    return int(size), b64decode(root, validate=True)


def _judge_archive(findings: Findings, log: Log) -> None:
    """The archive holds the leaves in order, as far as it goes, and at rest it goes to the end."""
    stored = [bytes(row.leaf) for row in log.leaves]
    for number, (line, leaf) in enumerate(zip(log.archive, stored, strict=False)):
        if line != leaf:
            findings.add(FORK, f"audit: line {number} of the archive is another leaf")
            break
    missing = len(stored) - len(log.archive)
    findings.unless(missing <= 0, LOST, f"audit: {missing} leaves are not archived at rest")
    findings.unless(missing >= 0, LOST, f"audit: the archive has {-missing} leaves that the log has not")


# --- JSON -------------------------------------------------------------------------------------------------------------


def canonical(value: Any) -> bytes:
    """RFC 8785 for what events and leaves may hold: sorted keys, no spaces, integers and strings."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
