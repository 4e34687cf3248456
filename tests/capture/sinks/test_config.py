import pytest

from capture.sinks.config import parse_sink, sinks_from
from capture.sinks.kinds import KINDS
from capture.sinks.livelink import LiveLinkOptions
from capture.sinks.shaping import FilterSetting
from capture.sinks.vrchat import VrchatOptions
from firmware_host.errors import ConfigError
from firmware_host.rig import HubConfig, Rig, read_rig, write_rig


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("vmc:", "127.0.0.1", 39539),
        ("vmc://", "127.0.0.1", 39539),
        ("vmc://192.168.1.7", "192.168.1.7", 39539),
        ("vmc://desk.local:1234", "desk.local", 1234),
        ("vmc://desk.local:1234/", "desk.local", 1234),
        ("vmc://[::1]:1234", "::1", 1234),
        ("vmc://[::1]", "::1", 39539),
        ("livelink://?subject=me", "127.0.0.1", 11111),
        ("vrchat:", "127.0.0.1", 9000),
        ("ifacialmocap:", "127.0.0.1", 49983),
        ("facemotion3d:", "127.0.0.1", 49993),
        ("facecap:", "127.0.0.1", 8080),
    ],
)
def test_what_an_address_leaves_out_is_usual(url, host, port):
    found = parse_sink(url)
    assert (found.host, found.port) == (host, port)


@pytest.mark.parametrize("url", ["csv:a/face.csv", "npz:face.npz", "glb:C:\\clips\\face.glb"])
def test_files_are_named_by_what_follows_the_colon(url):
    assert parse_sink(url).target == url.partition(":")[2]


def test_a_url_says_what_a_table_says():
    by_url = parse_sink("vrchat:?form=binary&bits=3&mirror=true&seed=5&unfelt=rest&gain=1.5")
    (by_table,) = sinks_from(
        (),
        [
            {
                "url": "vrchat:",
                "form": "binary",
                "bits": 3,
                "mirror": True,
                "seed": 5,
                "unfelt": "rest",
                "gain": 1.5,
            }
        ],
    )
    assert by_url.options == by_table.options == VrchatOptions(form="binary", bits=3)
    assert by_url.shaping == by_table.shaping
    assert by_url.shaping.gain == {"all": 1.5}
    assert by_url.shaping.mirror


def test_the_rig_comes_first_then_the_command_line():
    found = sinks_from(["vmc:", "vmc:"], [{"url": "livelink:"}])
    assert [c.kind.scheme for c in found] == ["livelink", "vmc", "vmc"]


def test_a_table_of_the_rig_survives_its_file(tmp_path):
    path = tmp_path / "rig.toml"
    table = {
        "url": "livelink://127.0.0.1:11111",
        "sideways": "swapped",
        "gain": {"jawOpen": 1.2, "brows": 1.1},
        "clamp": {"cheekPuff": [0.0, 0.8]},
        "dead_zone": {"mouthPress_L": 0.05},
        "filters": {"mouth": {"min_cutoff_hz": 1.5, "beta": 0.4}},
    }
    write_rig(Rig(hub=HubConfig(url="serial:/dev/ttyACM0"), sinks=(table,)), path)
    (found,) = sinks_from((), read_rig(path).sinks)
    assert found.options == LiveLinkOptions(sideways="swapped")
    assert found.shaping.filters == {"mouth": FilterSetting(1.5, 0.4)}
    assert found.shaping.clamp == {"cheekPuff": (0.0, 0.8)}


def test_avatars_idle_and_files_hold_nothing_made_up_unless_told():
    assert {k.unfelt for k in KINDS.values() if k.port} == {"idle"}
    assert {k.unfelt for k in KINDS.values() if not k.port} == {"rest"}
    assert parse_sink("csv:a.csv?unfelt=idle").shaping.unfelt == "idle"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("unreal:", "expected one of livelink, vmc"),
        ("vmc", "expected one of"),
        ("", "expected one of"),
        ("vmc://host:0", "expected vmc://HOST:PORT"),
        ("vmc://host:70000", "expected vmc://HOST:PORT"),
        ("vmc://host:12a", "expected vmc://HOST:PORT"),
        ("vmc://host/path", "expected vmc://HOST:PORT"),
        ("vmc:?names=kebab", "names"),
        ("vmc:?colour=red", "colour"),
        ("vmc:?gain=nan", "gain"),
        ("vmc:?gain=-1", "gain"),
        ("vmc:?seed=-1", "seed"),
        ("vmc:?unfelt=stare", "unfelt"),
        ("vrchat:?bits=12", "bits"),
        ("csv:", "expected a name, for example csv:face.csv"),
        ("csv:face.npz", "expected a name"),
        ("lsl:", "expected a name, for example lsl:imusic"),
    ],
)
def test_what_is_wrong_is_said_with_the_sink_it_is_about(url, says):
    with pytest.raises(ConfigError) as caught:
        parse_sink(url)
    assert says in str(caught.value)
    assert repr(url) in str(caught.value)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({}, "sinks[0]: expected url"),
        ({"url": 3}, "sinks[0]: expected url"),
        ({"url": "vmc:", "gain": {"jawAjar": 1}}, "'jawAjar' is no shape"),
        ({"url": "vmc:", "dead_zone": {"all": 1.0}}, "dead_zone"),
        ({"url": "vmc:", "clamp": {"all": [0.5, 0.5]}}, "clamp"),
        ({"url": "vmc:", "filters": {"mouth": {"min_cutoff_hz": 0}}}, "min_cutoff_hz"),
        ({"url": "vmc:", "filters": {"mouth": {"beta": 1}}}, "min_cutoff_hz"),
    ],
)
def test_a_table_that_is_wrong_is_refused(table, says):
    with pytest.raises(ConfigError) as caught:
        sinks_from((), [table])
    assert says in str(caught.value)
