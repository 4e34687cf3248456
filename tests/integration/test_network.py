"""A simulated hub behind real sockets, read by the real network transports."""

import asyncio
import random
import socket

import numpy as np
import pytest

from firmware_host import messages
from firmware_host.announcements import Link
from firmware_host.device import HubDevice
from firmware_host.errors import ConfigError, DeviceNotFound, TransportError
from firmware_host.frames import FrameDecoder
from firmware_host.messages import Kind
from firmware_host.samples import (
    Duplicate,
    Garbage,
    HubEnd,
    HubEvent,
    HubInfo,
    RoundTrip,
)
from firmware_host.simulated_links import parse_serving
from firmware_host.simulator import HubSummary
from firmware_host.stream import events
from firmware_host.transports import arrivals
from firmware_host.transports.base import open_transport
from firmware_host.transports.tcp import TcpTransport
from firmware_host.transports.udp import UdpTransport
from tests.integration.network_links import (
    LINKS,
    TcpRelay,
    UdpRelay,
    frames_in,
    free_port,
    hub_with,
    listen,
    lost,
    opened,
    relayed,
    run,
    samples,
    sequences,
    served,
    tcp_relayed,
    transport_to,
)

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("link", LINKS)
def test_every_sample_arrives_in_order_and_every_lost_one_is_counted(link):
    async def both() -> tuple[HubSummary, list[HubEvent]]:
        async with served(hub_with(400, seed=4, loss=0.03), link) as (port, task):
            heard = await listen(transport_to(link, port))
            return await task, heard

    truth, heard = run(both())
    assert truth.samples_sent == 400
    assert truth.dropped > 2
    assert isinstance(heard[0], HubInfo)
    assert heard[-1] == HubEnd(400)
    assert lost(heard) == truth.dropped
    assert samples(heard) == 400 - truth.dropped
    assert np.all(np.diff(sequences(heard)) > 0)


@pytest.mark.parametrize("link", LINKS)
def test_a_stop_ends_the_stream_with_the_hubs_count(link):
    async def stopped() -> tuple[HubSummary, list[HubEvent]]:
        heard, device = [], HubDevice()
        async with served(hub_with(4000), link) as (port, task):
            async with opened(transport_to(link, port)) as transport:
                async for event in events(transport, device):
                    heard.append(event)
                    if samples(heard) > 50:
                        device.stop()
            return await task, heard

    truth, heard = run(stopped())
    assert 50 < truth.samples_sent < 4000
    assert heard[-1] == HubEnd(truth.samples_sent)


@pytest.mark.parametrize("link", LINKS)
def test_round_trips_over_the_network_hold_the_hubs_true_clock(link):
    async def both() -> tuple[HubSummary, list[HubEvent]]:
        async with served(hub_with(800), link) as (port, task):
            heard = await listen(transport_to(link, port))
            return await task, heard

    truth, heard = run(both())
    trips = [event for event in heard if isinstance(event, RoundTrip)]
    assert len(trips) >= 2
    assert truth.start_ns is not None
    for trip in trips:
        since_ns = (trip.tick_us - truth.start_tick_us) % 2**32 * truth.rate * 1000
        assert trip.sent_ns - 2000 <= truth.start_ns + since_ns <= trip.received_ns + 2000  # ticks


@pytest.mark.parametrize("link", LINKS)
def test_a_hub_may_have_an_ipv6_address(link):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this computer has no IPv6")

    async def both() -> list[HubEvent]:
        async with served(hub_with(100), link, bind="::1") as (port, _):
            return await listen(open_transport(f"{link.name.lower()}:[::1]:{port}"))

    assert samples(run(both())) == 100


def test_a_network_that_loses_repeats_and_swaps_costs_only_what_it_lost():
    """Exact accounts over a bad network: no sample twice, none out of order, none unexplained."""

    async def through_a_bad_network() -> tuple[HubSummary, list[HubEvent], UdpRelay, UdpTransport]:
        async with served(hub_with(1200, seed=3), Link.UDP) as (hub_port, task):
            odds = {"seed": 5, "loss": 0.05, "repeat": 0.05, "swap": 0.05}
            async with relayed(hub_port, **odds) as (port, relay):
                transport = UdpTransport(f"127.0.0.1:{port}")
                heard = await listen(transport)
                return await task, heard, relay, transport

    truth, heard, relay, transport = run(through_a_bad_network())
    assert min(relay.dropped, relay.repeated, relay.swapped) > 10
    assert samples(heard) + lost(heard) == truth.samples_sent == 1200
    assert np.all(np.diff(sequences(heard)) > 0)
    assert not any(isinstance(event, Duplicate | Garbage) for event in heard)
    assert lost(heard) == relay.samples_lost > 0
    assert transport.counts.late >= relay.repeated
    assert heard[-1] == HubEnd(1200)


@pytest.mark.parametrize("link", LINKS)
def test_garbage_at_line_speed_is_counted_and_the_hub_is_still_heard(link):
    noise = random.Random(1)

    async def shouted_at() -> list[HubEvent]:
        async with served(hub_with(300), link) as (hub_port, _):
            if link is Link.UDP:
                async with relayed(hub_port) as (port, relay):
                    shout = asyncio.create_task(shouting(relay))
                    heard = await listen(transport_to(link, port))
                    shout.cancel()
                    return heard
            async with tcp_relayed(hub_port) as (port, relay):
                shout = asyncio.create_task(shouting(relay))
                heard = await listen(transport_to(link, port))
                shout.cancel()
                return heard

    async def shouting(relay: UdpRelay | TcpRelay) -> None:
        while True:
            for _ in range(20):
                data = noise.randbytes(1200)
                if isinstance(relay, UdpRelay):
                    if relay.host:
                        relay.shout(data)
                elif relay._writers:
                    relay._writers[0].write(b"\0" + data + b"\0")
            await asyncio.sleep(0.001)

    heard = run(shouted_at())
    garbage = sum(event.count for event in heard if isinstance(event, Garbage))
    assert garbage > 100_000
    assert samples(heard) + lost(heard) == 300
    assert heard[-1] == HubEnd(300)
    # Over TCP nothing is lost; a full socket buffer may lose datagrams, and they are counted.
    assert link is Link.UDP or lost(heard) == 0


def test_a_hub_that_vanishes_from_the_network_is_lost_by_its_silence():
    async def vanishing() -> None:
        heard: list[HubEvent] = []
        async with served(hub_with(4000), Link.UDP) as (hub_port, _):
            async with relayed(hub_port) as (port, relay):

                def lights_out(heard: list[HubEvent]) -> bool:
                    relay.dark = samples(heard) > 20
                    return False

                await listen(transport_to(Link.UDP, port, keep_alive_s=0.2), heard, lights_out)

    with pytest.raises(TransportError, match=r"lost udp:127.0.0.1:\d+: silent for ") as caught:
        run(vanishing())
    assert "power of the hub" in caught.value.hint


def test_a_hub_whose_program_ends_is_lost_and_the_refusal_is_told():
    async def ending() -> None:
        async with served(hub_with(4000), Link.UDP) as (port, task):

            def kill(heard: list[HubEvent]) -> bool:
                if samples(heard) > 20:
                    task.cancel()
                return False

            await listen(transport_to(Link.UDP, port, keep_alive_s=0.1), until=kill)

    with pytest.raises(TransportError, match=r"silent for .* refused: nothing listens"):
        run(ending())


@pytest.mark.parametrize("link", LINKS)
def test_a_hub_that_restarts_is_found_again_and_counts_on(link):
    async def restarting() -> list[HubEvent]:
        heard: list[HubEvent] = []
        async with served(hub_with(4000), link, boot=1) as (port, first):
            listening_ = asyncio.create_task(listen(transport_to(link, port), heard))
            while samples(heard) < 100:
                await asyncio.sleep(0.01)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
        async with served(hub_with(300), link, port=port, boot=2) as (_, second):
            await listening_
            await second
        return heard

    heard = run(restarting())
    numbers = sequences(heard)
    assert np.all(np.diff(numbers) > 0)
    again = numbers[numbers >= 2**32] - 2**32
    assert len(numbers) - len(again) >= 100
    assert again[-1] == 299
    assert heard[-1] == HubEnd(300)


def test_a_cut_link_is_connected_again_and_what_was_lost_is_counted():
    async def cutting() -> tuple[HubSummary, list[HubEvent], TcpTransport]:
        heard: list[HubEvent] = []
        async with served(hub_with(800), Link.TCP) as (hub_port, task):
            async with tcp_relayed(hub_port) as (port, relay):
                transport = TcpTransport(f"127.0.0.1:{port}")
                listening_ = asyncio.create_task(listen(transport, heard))
                for cuts in (1, 2):
                    while samples(heard) < 150 * cuts:
                        await asyncio.sleep(0.01)
                    relay.cut()
                await listening_
                return await task, heard, transport

    truth, heard, transport = run(cutting())
    assert transport.reconnects == 2
    assert samples(heard) + lost(heard) == truth.samples_sent == 800
    assert lost(heard) > 0
    assert np.all(np.diff(sequences(heard)) > 0)
    assert heard[-1] == HubEnd(800)


def test_half_a_frame_before_a_cut_does_not_spoil_the_first_one_after_it():
    words = [messages.encode_end(HubEnd(count)) for count in (1, 2, 3)]
    links = iter([words[0] + words[1][:4], words[2]])

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(next(links))
        await writer.drain()
        writer.close()

    async def reading() -> list[object]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        transport = transport_to(Link.TCP, server.sockets[0].getsockname()[1])
        decoder, found = FrameDecoder(), []
        async with server, opened(transport):
            async for chunk in transport.chunks():
                found += decoder.feed(chunk)
                if len(found) == 3:
                    break
        return found

    first, torn, last = run(reading())
    assert (messages.decode(first), messages.decode(last)) == (HubEnd(1), HubEnd(3))
    assert torn == Garbage(5)  # what was there of it, and the delimiter put in


def test_a_link_that_is_open_but_dead_is_found_by_its_silence():
    async def muting() -> tuple[list[HubEvent], TcpTransport, TcpRelay]:
        heard: list[HubEvent] = []
        async with served(hub_with(1100), Link.TCP) as (hub_port, task):
            async with tcp_relayed(hub_port) as (port, relay):
                transport = TcpTransport(f"127.0.0.1:{port}", stale_s=1.0)
                listening_ = asyncio.create_task(listen(transport, heard))
                while samples(heard) < 100:
                    await asyncio.sleep(0.01)
                relay.mute = True
                while relay.links < 2:
                    await asyncio.sleep(0.01)
                relay.mute = False
                await listening_
                await task
                return heard, transport, relay

    heard, transport, relay = run(muting())
    assert transport.reconnects == relay.links - 1 >= 1
    assert samples(heard) + lost(heard) == 1100
    assert lost(heard) > 50
    assert heard[-1] == HubEnd(1100)


def test_a_hub_that_stays_away_is_given_up_with_the_reason():
    async def leaving() -> None:
        async with served(hub_with(4000), Link.TCP) as (port, task):

            def kill(heard: list[HubEvent]) -> bool:
                if samples(heard) > 20:
                    task.cancel()
                return False

            await listen(transport_to(Link.TCP, port, give_up_s=0.5), until=kill)

    with pytest.raises(TransportError, match=r"lost tcp:.* no link for 0.5 s .*refused"):
        run(leaving())


def test_a_second_host_is_hung_up_on_by_a_hub_over_tcp():
    async def two() -> None:
        async with served(hub_with(4000), Link.TCP) as (port, _):
            async with opened(transport_to(Link.TCP, port)) as first:
                await first.send(messages.encode_command(Kind.HELLO))
                await anext(first.chunks())
                await listen(transport_to(Link.TCP, port))

    with pytest.raises(TransportError, match="closed or silent") as caught:
        run(two())
    assert "one host at a time" in caught.value.hint


def test_a_second_host_over_udp_hears_who_the_hub_is_and_disturbs_nothing():
    async def two() -> tuple[HubSummary, list[HubEvent], list[int]]:
        async with served(hub_with(400), Link.UDP) as (port, task):
            first: list[HubEvent] = []
            listening_ = asyncio.create_task(listen(transport_to(Link.UDP, port), first))
            while samples(first) < 50:
                await asyncio.sleep(0.01)
            async with opened(transport_to(Link.UDP, port)) as second:
                for kind in (Kind.START, Kind.STOP, Kind.HELLO, Kind.START, Kind.HELLO):
                    await second.send(messages.encode_command(kind))
                chunks = second.chunks()
                heard = [frame for _ in range(2) for frame in frames_in(await anext(chunks))]
                await listening_
                assert second.counts.received == len(heard)  # and not a sample more
                return await task, first, [frame.kind for frame in heard]

    truth, first, second = run(two())
    assert second == [Kind.INFO, Kind.INFO]
    assert samples(first) == truth.samples_sent == 400
    assert lost(first) == 0


def test_a_host_that_went_away_is_forgotten_and_another_is_served(monkeypatch):
    monkeypatch.setattr("firmware_host.simulated_links.HOST_SILENCE_S", 0.3)

    async def one_after_the_other() -> tuple[HubSummary, list[HubEvent]]:
        async with served(hub_with(1000), Link.UDP) as (port, task):
            await listen(transport_to(Link.UDP, port), until=lambda heard: samples(heard) > 20)
            heard = await listen(transport_to(Link.UDP, port, keep_alive_s=0.3))
            return await task, heard

    truth, heard = run(one_after_the_other())
    assert heard[-1] == HubEnd(1000)
    assert truth.samples_sent == 1000
    # What the hub sent before the second host came was no business of that host.
    assert 0 < samples(heard) + lost(heard) <= 1000


@pytest.mark.parametrize(
    ("link", "says"),
    [(Link.UDP, "refused: nothing listens"), (Link.TCP, "refused: nothing listens")],
)
def test_a_port_where_nobody_listens_refuses(link, says):
    port = free_port(socket.SOCK_DGRAM if link is Link.UDP else socket.SOCK_STREAM)
    fast = {"keep_alive_s": 0.1} if link is Link.UDP else {}
    with pytest.raises(TransportError, match=says) as caught:
        run(listen(transport_to(link, port, **fast)))
    assert "imusic devices" in caught.value.hint


@pytest.mark.parametrize("link", LINKS)
def test_somebody_silent_is_no_hub_and_the_hint_speaks_of_the_network(link):
    async def sit_still(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the host is gone
        writer.close()

    async def silent() -> None:
        loop = asyncio.get_running_loop()
        if link is Link.UDP:
            server, _ = await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
            )
            port = server.get_extra_info("socket").getsockname()[1]
        else:
            server = await asyncio.start_server(sit_still, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
        try:
            await listen(transport_to(link, port), timeout_s=0.6)
        finally:
            server.close()

    with pytest.raises(DeviceNotFound) as caught:
        run(silent())
    assert "check the network" in caught.value.hint


@pytest.mark.parametrize("scheme", ["udp", "tcp"])
def test_a_host_that_nobody_knows_is_named(scheme):
    transport = open_transport(f"{scheme}:no-such-host.invalid:19711")
    with pytest.raises(TransportError, match="the name of the host is not known"):
        run(transport.open())


@pytest.mark.parametrize("scheme", ["udp", "tcp"])
def test_a_network_without_a_way_is_told(scheme):
    transport = open_transport(f"{scheme}:[ff02::1%lo]:19711" if scheme == "tcp" else "udp:0:1")
    if scheme == "udp":
        transport = open_transport("udp:255.255.255.255:19711")  # no broadcast was asked for
    with pytest.raises(TransportError) as caught:
        run(transport.open())
    assert caught.value.address in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("url", ["tcp:host", "tcp:host:", "tcp:host:70000", "tcp:a:b:1", "udp:h:0"])
def test_addresses_that_are_none_are_refused_with_an_example(url):
    with pytest.raises(ConfigError, match=r"expected (udp|tcp):HOST:PORT") as caught:
        open_transport(url)
    assert "for example" in caught.value.hint


@pytest.mark.parametrize("link", LINKS)
def test_closing_ends_the_stream_without_an_error_and_may_be_done_twice(link):
    async def closing() -> int:
        async with served(hub_with(4000), link) as (port, _):
            transport = transport_to(link, port)
            await transport.open()
            heard: list[HubEvent] = []
            async for event in events(transport, HubDevice()):
                heard.append(event)
                if len(heard) == 20:
                    await transport.close()
                    await transport.close()
            with pytest.raises(TransportError, match="is not open"):
                await transport.send(b"x")
            return len(heard)

    assert run(closing()) >= 20


def test_a_host_that_falls_behind_is_told_so(monkeypatch):
    monkeypatch.setattr(arrivals, "MAX_BACKLOG", 2000)

    async def lazy() -> None:
        async with served(hub_with(4000), Link.UDP) as (port, _):
            async with opened(transport_to(Link.UDP, port)) as transport:
                await transport.send(messages.encode_command(Kind.START))
                await asyncio.sleep(0.5)
                async for _ in transport.chunks():
                    continue

    with pytest.raises(TransportError, match="overrun"):
        run(lazy())


@pytest.mark.parametrize("link", LINKS)
def test_a_second_hub_on_the_port_is_refused(link):
    async def two() -> None:
        async with served(hub_with(), link) as (port, _), served(hub_with(), link, port=port):
            pass

    with pytest.raises(TransportError, match="is busy: another program listens"):
        run(two())


@pytest.mark.parametrize(
    ("text", "link", "bind", "port"),
    [
        ("udp:19711", Link.UDP, "127.0.0.1", 19_711),
        ("tcp:0.0.0.0:0", Link.TCP, "0.0.0.0", 0),
        ("tcp:[::1]:5", Link.TCP, "::1", 5),
    ],
)
def test_how_a_hub_is_served_is_said_in_one_word(text, link, bind, port):
    serving = parse_serving(text)
    assert (serving.link, serving.bind, serving.port) == (link, bind, port)


@pytest.mark.parametrize("text", ["", "udp", "udp:", "ble:1", "tcp:x", "udp:1:70000", "udp:-1"])
def test_other_words_are_refused(text):
    with pytest.raises(ConfigError, match="--hub: expected"):
        parse_serving(text)
