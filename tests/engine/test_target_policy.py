"""Probes that the API had a say in: their addresses are judged when they are known."""

import socket
from dataclasses import replace
from ipaddress import ip_network

import pytest

from prober.engine.resolver import FRESH, Address
from prober.engine.target_policy import TargetPolicy
from prober.model.monitor import Check
from prober.model.pool import Backend, Pool
from prober.model.probe import Target
from prober.model.reach import TargetRules
from prober.model.status import Outcome, Reason
from tests.engine.by_hand import ByHand
from tests.engine.conftest import Serve
from tests.engine.targets import hold
from tests.engine.test_names import probing
from tests.simulation import Simulation, model_of

METADATA = Address(socket.AF_INET, "169.254.169.254")
MAPPED = Address(socket.AF_INET6, "::ffff:169.254.169.254")
HERE = Address(socket.AF_INET, "127.0.0.1")


def probed(by_hand: ByHand, port: int, policy: TargetPolicy, host: str = "a.example") -> Outcome:
    """Return what a probe under the policy finds."""
    by_hand.outcomes.clear()
    if by_hand.start(port, host=host, objection=policy.objection).on_answer:
        by_hand.take_answer()
    return by_hand.outcome()


@pytest.mark.parametrize("address", [METADATA, MAPPED])
def test_a_name_is_judged_by_the_address_that_it_has(address: Address) -> None:
    with probing(lambda _: (address,)) as by_hand:
        outcome = probed(by_hand, 80, TargetPolicy(TargetRules()))
    assert outcome.reason is Reason.NOT_PERMITTED
    assert "169.254.169.254" in outcome.detail
    assert "link-local" in outcome.detail


def test_of_several_addresses_those_that_are_allowed_are_tried(serve: Serve) -> None:
    port = serve(hold)
    with probing(lambda _: (METADATA, HERE)) as by_hand:
        assert probed(by_hand, port, TargetPolicy(TargetRules())).reason is Reason.OK


def test_rules_take_effect_at_the_next_probe(serve: Serve) -> None:
    port = serve(hold)
    policy = TargetPolicy(TargetRules())
    with probing(lambda _: (HERE,)) as by_hand:
        assert probed(by_hand, port, policy).reason is Reason.OK
        policy.adopt(TargetRules(deny=(ip_network("127.0.0.0/8"),)))
        assert probed(by_hand, port, policy).reason is Reason.NOT_PERMITTED
        assert probed(by_hand, port, policy, "127.0.0.1").reason is Reason.NOT_PERMITTED


@pytest.mark.parametrize(
    ("listener", "host", "refused"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "::ffff:127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("0.0.0.0", "127.0.0.2", True),
        ("::", "::1", True),
        ("::", "127.0.0.1", True),
        ("0.0.0.0", "192.0.2.1", False),
        ("192.0.2.7", "192.0.2.7", True),
        ("127.0.0.1", "a.example", False),
    ],
)
def test_prober_does_not_probe_itself_for_the_api(listener: str, host: str, refused: bool) -> None:
    policy = TargetPolicy(TargetRules(allow=(ip_network("0.0.0.0/0"), ip_network("::/0"))))
    policy.spare([Target(listener, 7762)])
    assert bool(policy.objection(host, 7762)) is refused
    assert policy.objection(host, 7763) is None


def test_an_address_of_this_host_leads_to_a_listener_on_all_of_them() -> None:
    policy = TargetPolicy(TargetRules())
    policy.spare([Target("0.0.0.0", 7762)])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this host has no route but to itself")
        own = sock.getsockname()[0]
    assert policy.objection(own, 7762)


@pytest.mark.parametrize(
    ("by_monitor", "by_backend"), [(False, False), (True, False), (False, True)]
)
def test_only_checks_that_the_api_changed_are_judged(by_monitor: bool, by_backend: bool) -> None:
    backend = Backend(address="192.0.2.1", port=80, under_policy=by_backend)
    pool = Pool(name="m", backends=(backend,))
    (monitor,) = model_of("192.0.2.1").monitors
    check = Check(replace(monitor, under_policy=by_monitor), pool, backend)
    assert check.under_policy is (by_monitor or by_backend)
    simulation = Simulation(objection=lambda *_: "no")
    state = simulation.store.add(check)
    simulation.scheduler.add([(check, state, state.health)])
    job = simulation.scheduler._watches[check.key].job
    assert (job.objection is not None) is check.under_policy


def test_a_name_that_is_pointed_elsewhere_after_it_was_looked_at_is_not_followed(
    serve: Serve,
) -> None:
    """DNS rebinding: each answer is judged, and what was judged is what is connected to."""
    port = serve(hold)
    answers = [(HERE,), (METADATA,), (HERE, METADATA), (MAPPED,)]
    asked = iter(answers)
    with probing(lambda _: next(asked)) as by_hand:
        found = []
        for _ in answers:
            outcome = probed(by_hand, port, TargetPolicy(TargetRules()))
            found.append(outcome.reason)
            by_hand.clock.advance(FRESH + 1.0)
    assert found == [Reason.OK, Reason.NOT_PERMITTED, Reason.OK, Reason.NOT_PERMITTED]
