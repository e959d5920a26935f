"""The page of certificates."""

from prober.model.status import FactValue
from prober.probes.tls import TlsProbe
from prober.web.page.survey import ROWS
from tests.web.conftest import Client
from tests.web.reading import Reading
from tests.web.world import HOSTILE, WALL, World, monitor

DAY = 86400


async def read(client: Client, path: str = "/certificates") -> Reading:
    response = await client.get(path)
    assert response.status == 200
    return Reading(await response.text(), path)


def show(world: World, key: str, days: float, chain: float | None = None, issuer: str = "") -> None:
    """Let a check see a certificate that ends in so many days, and its chain."""
    facts: dict[str, FactValue] = {
        "tls_version": "TLSv1.3",
        "tls_not_after": WALL + days * DAY + 60,
    }
    if chain is not None:
        facts["tls_chain_not_after"] = WALL + chain * DAY + 60
    if issuer:
        facts["tls_issuer"] = issuer
    world.record("m", key, times=2, facts=facts)


async def test_the_first_to_expire_comes_first(world: World, client: Client) -> None:
    keys = [f"10.0.0.{number}:443" for number in range(1, 6)]
    world.configure(monitor("m", *keys, probe=TlsProbe(), type="TLS"))
    show(world, keys[0], 61)
    show(world, keys[1], 9)
    show(world, keys[2], -3)
    show(world, keys[3], 80, chain=2)  # an intermediate ends before the certificate itself
    page = await read(client)
    assert page.rows() == [f"m {keys[place]}" for place in (2, 3, 1, 0)]  # the fifth saw none
    left = [each.text for each in page.all("th", "share")]
    assert left == ["ended 2 d ago", "2 d", "9 d", "61 d"]
    assert [each.text for each in page.all("small") if "chain" in each.text] == [
        "another of the chain"
    ]
    assert any("4 checks see a certificate; 3 of them end soon." in p.text for p in page.all("p"))
    links = [e.attributes["href"] for e in page.all("a") if "/checks/" in e.attributes["href"]]
    assert links[0] == f"/checks/m/{keys[2]}"


async def test_certificates_are_told_apart_by_issuer(world: World, client: Client) -> None:
    keys = [f"10.0.0.{number}:443" for number in range(1, 5)]
    world.configure(monitor("m", *keys, probe=TlsProbe(), type="TLS"))
    for key, issuer in zip(keys, ("A & B, R1", HOSTILE, "A & B, R1", ""), strict=True):
        show(world, key, 61, issuer=issuer)
    page = await read(client)
    chips = {each.text: each.attributes["href"] for each in page.all("a", "chip")}
    assert next(iter(chips)) == "2A & B, R1"
    assert set(chips) == {"2A & B, R1", f"1{HOSTILE}", "1not known"}
    ours = await read(client, chips["2A & B, R1"])
    assert ours.rows() == [f"m {keys[0]}", f"m {keys[2]}"]
    assert (await read(client, chips[f"1{HOSTILE}"])).rows() == [f"m {keys[1]}"]
    assert (await read(client, chips["1not known"])).rows() == [f"m {keys[3]}"]
    none = await read(client, "/certificates?issuer=C")
    assert "No certificate is from this issuer" in none.all("div", "empty")[0].text


async def test_many_are_shown_page_by_page(world: World, client: Client) -> None:
    keys = [f"10.0.0.{number}:443" for number in range(150)]
    world.configure(monitor("m", *keys, probe=TlsProbe(), type="TLS"))
    for days, key in enumerate(keys):
        show(world, key, days)
    first = await read(client)
    second = await read(client, "/certificates?page=2")
    assert len(first.rows()) == ROWS
    assert first.rows() + second.rows() == [f"m {key}" for key in keys]


async def test_without_certificates_the_page_says_what_shows_them(
    world: World, client: Client
) -> None:
    world.configure(monitor("web", "10.0.0.1:80"))
    assert "No check has seen a certificate" in (await read(client)).all("div", "empty")[0].text
