"""What people agreed to, from subjects.toml through takes to whoever reads them."""

import datetime as dt
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from capture.consent import Subject, consent_problem, newest, read_subjects
from capture.pseudonyms import person_of, pseudonym_of
from capture.recording import read_recording
from capture.recover import recover
from capture.scrub import scrub
from capture.take import DATA_FILE, TAKE_FILE, new_take, read_take
from capture.take_opening import consent_of
from capture.take_writer import TakeWriter
from firmware_host import mcap_chunks
from firmware_host.errors import ConfigError, DataError
from firmware_host.layout import FACE_12, select
from firmware_host.rig import HubConfig, Rig, SessionConfig, read_rig, rig_to_dict
from firmware_host.samples import HubInfo, ImuBlock
from firmware_host.vendors.events import Notice, Stranger
from imusic.cli import main

TODAY = dt.date(2026, 6, 1)
AGREED = Subject(consent=("training", "publication"), granted=dt.date(2026, 1, 1))
TWO = select(FACE_12, ("mentalis", "head_reference"))
SERIAL, PHONE, MAC = "hub-SN48213", "Annas iPhone", "AA:BB:CC:11:22:33"


def written_take(folder: Path, consent: Subject = AGREED, **facts) -> Path:
    folder.mkdir(parents=True)
    take = new_take(folder.name, TWO, {"kind": "record", "slate": "anna-scene"}, **facts)
    writer = TakeWriter(folder, msgspec.structs.replace(take, subject="p1", consent=consent))
    hub = HubInfo(SERIAL, "1.0", 1, 200.0, 80.0, 17.0, TWO.names)
    writer.hub_event(hub, 1_000_000)
    writer.hub_bytes(SERIAL.encode() * 3, 1_000_000)
    for number in range(1, 4):
        readings = np.full((3, 2, 3), float(number), np.float32)
        ticks = np.arange(3 * number, 3 * number + 3)
        writer.hub_event(ImuBlock(ticks * 5000, ticks, readings, readings, number * 10_000_000), 0)
    writer.phone_bytes(PHONE.encode(), 20_000_000)
    writer.health("phone", 20_000_000, sender=PHONE, tells_time=True)
    writer.hub_event(Stranger(MAC, "9.9"), 21_000_000)
    writer.hub_event(Notice(f"I am {SERIAL}", False), 22_000_000)
    writer.health("warning", 23_000_000, text="the disk lasts 3 minutes more")
    writer.health("link_down", 24_000_000, reason=f"no answer from {MAC}", hint="", tries=0)
    writer.marker("good", 25_000_000)
    writer.close()
    return folder


@pytest.mark.parametrize(
    ("told", "rule"),
    [
        (None, "consent_missing"),
        (Subject(), "consent_missing"),
        (AGREED, None),
        (Subject(consent=("x",), expires=dt.date(2026, 5, 31)), "consent_expired"),
        (Subject(consent=("x",), expires=TODAY), None),
        (Subject(consent=("x",), withdrawn=TODAY), "consent_withdrawn"),
        (Subject(withdrawn=TODAY), "consent_withdrawn"),
        (Subject(consent=("x",), granted=dt.date(2026, 6, 2)), "consent_missing"),
    ],
)
def test_who_may_be_used_today(told, rule):
    problem = consent_problem(told, TODAY)
    assert (problem.rule if problem else None) == rule


def test_what_was_taken_back_stays_so_until_they_agree_anew():
    back = msgspec.structs.replace(AGREED, withdrawn=dt.date(2026, 3, 1))
    anew = msgspec.structs.replace(AGREED, granted=dt.date(2026, 4, 1))
    assert newest(back, AGREED).withdrawn == dt.date(2026, 3, 1)
    assert newest(back, anew) == anew
    assert newest(AGREED, back) == back
    assert newest(AGREED, None) == AGREED


def test_a_rig_names_the_file_beside_it_and_the_take_keeps_what_it_says(tmp_path):
    (tmp_path / "subjects.toml").write_text(
        '[subjects.p1]\nconsent = ["training"]\nversion = "form 2"\ngranted = 2026-01-01\n'
    )
    rig = tmp_path / "rig.toml"
    rig.write_text(
        '[hub]\nurl = "serial:x"\n[session]\nsubject = "p1"\nconsents = "subjects.toml"\n'
    )
    told = consent_of(read_rig(rig), TODAY)
    assert (told.consent, told.version) == (("training",), "form 2")
    take = written_take(tmp_path / "take", told)
    assert read_take(take).consent == told
    assert rig_to_dict(read_rig(rig))["session"]["consents"].endswith("subjects.toml")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it says nothing of them"),
        ("[subjects.p1]\n", "nothing says what they agreed to"),
        ('[subjects.p1]\nconsent = ["x"]\nwithdrawn = 2026-05-01\n', "took their consent back"),
        ('[subjects.p1]\nconsent = ["x"]\nexpires = 2026-05-01\n', "ended on 2026-05-01"),
    ],
)
def test_nobody_is_recorded_who_does_not_agree(tmp_path, text, why):
    path = tmp_path / "subjects.toml"
    path.write_text(text)
    session = SessionConfig(subject="p1", consents=str(path))
    with pytest.raises(ConfigError, match=why) as caught:
        consent_of(Rig(hub=HubConfig(url="serial:x"), session=session), TODAY)
    assert "[subjects.p1]" in caught.value.hint


def test_a_key_that_nobody_knows_is_told(tmp_path):
    path = tmp_path / "subjects.toml"
    path.write_text("[subjects.p1]\nconsents = []\n")
    with pytest.raises(ConfigError, match="consents"):
        read_subjects(path)


def test_nothing_reads_a_take_once_its_consent_is_gone(tmp_path, capsys):
    take = written_take(tmp_path / "takes/one")
    other = written_take(tmp_path / "takes/other")
    assert len(read_recording(take)) == 9
    withdraw = ["consent", "withdraw", str(take), "--subject", "p1", "--on", "2026-05-01"]
    assert main(withdraw) == 0
    assert "1 takes changed" in capsys.readouterr().out
    with pytest.raises(DataError, match="took their consent back on 2026-05-01"):
        read_recording(take)
    assert len(read_recording(take, dt.date(2026, 4, 30))) == 9
    assert main(["align", str(take)]) == 2
    assert "imusic dataset forget" in capsys.readouterr().err
    assert main(["info", str(take)]) == 0
    assert len(read_recording(other)) == 9
    capsys.readouterr()
    assert main(["consent", "show", str(tmp_path / "takes"), "--json"]) == 1
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["problem"] for one in told] == ["consent_withdrawn", None]


def test_expired_consent_refuses_and_a_new_one_opens_the_take_again(tmp_path, capsys):
    over = Subject(consent=("training",), expires=dt.date(2020, 1, 1))
    take = written_take(tmp_path / "take", over)
    with pytest.raises(DataError, match="consent ended on 2020-01-01"):
        read_recording(take)
    people = tmp_path / "subjects.toml"
    people.write_text('[subjects.p1]\nconsent = ["training"]\nexpires = 2999-01-01\n')
    assert main(["consent", "keep", str(take), "--subjects", str(people)]) == 0
    assert len(read_recording(take)) == 9
    assert main(["consent", "withdraw", str(take), "--subject", "nobody"]) == 2
    assert "no take of a subject 'nobody'" in capsys.readouterr().err


def test_a_virtual_wearer_needs_no_consent(tmp_path, capsys):
    over = Subject(consent=("x",), expires=dt.date(2020, 1, 1))
    take = written_take(tmp_path / "take", over, simulated=True)
    assert len(read_recording(take)) == 9
    assert main(["consent", "show", str(take)]) == 0


def test_a_take_toml_made_anew_still_knows_whose_take_it_is(tmp_path):
    take = written_take(tmp_path / "take")
    # As the daemon does it, for a take.toml may be lost.
    writer_take = read_take(take)
    again = tmp_path / "again"
    again.mkdir()
    writer = TakeWriter(again, writer_take)
    readings = np.zeros((1, 2, 3), np.float32)
    told = msgspec.to_builtins(AGREED)
    writer.health("consent", 1, subject="p1", told=told)
    writer.hub_event(ImuBlock(np.array([5]), np.array([1]), readings, readings, 10), 10)
    writer.close()
    (again / TAKE_FILE).unlink()
    recover(again)
    assert (read_take(again).subject, read_take(again).consent) == ("p1", AGREED)


def everything_in(folder: Path) -> bytes:
    data = (folder / DATA_FILE).read_bytes()
    parts = [folder.joinpath(TAKE_FILE).read_bytes(), data, *mcap_chunks.chunks(data, "", "")]
    return b"".join(parts)


def test_a_scrubbed_copy_moves_alike_and_names_nobody(tmp_path):
    rig = {"phone": {"app": "livelink", "address": "192.168.7.31"}, "hub": {"url": f"ble:{MAC}"}}
    take = written_take(tmp_path / "anna-001", rig=rig)
    before, secrets = everything_in(take), (SERIAL, PHONE, MAC, "192.168.7.31", "anna")
    assert all(secret.encode() in before for secret in secrets)
    kept = scrub(take, tmp_path / "copy", TODAY)
    after = everything_in(tmp_path / "copy")
    assert [secret for secret in secrets if secret.encode() in after] == []
    old, new = read_recording(take, TODAY), read_recording(tmp_path / "copy", TODAY)
    assert np.array_equal(old.gyro_rad_s, new.gyro_rad_s)
    assert np.array_equal(old.arrival_ns, new.arrival_ns)
    assert new.markers == old.markers
    assert new.take.consent == AGREED
    assert kept.created_utc == old.take.created_utc[:4]
    assert kept.rig == {"phone": {"app": "livelink"}}
    kinds = {facts["kind"] for facts in new.health}
    assert kinds == {"info", "phone", "warning", "link_down"}


def test_a_copy_is_given_away_only_with_consent(tmp_path, capsys):
    take = written_take(tmp_path / "take", Subject(consent=("training",)))
    assert main(["scrub", str(take), "--out", str(tmp_path / "copy")]) == 2
    assert 'did not agree to "publication"' in capsys.readouterr().err
    assert not (tmp_path / "copy").exists()
    assert main(["scrub", str(take), "--out", str(tmp_path / "copy"), "--in-house"]) == 0
    assert main(["scrub", str(take), "--out", str(tmp_path / "copy"), "--in-house"]) == 2


def test_a_pseudonym_stays_and_its_file_is_for_the_owner_alone(tmp_path, capsys):
    people = tmp_path / "people.toml"
    first = pseudonym_of(people, "Anna Example")
    second = pseudonym_of(people, "Ben Example")
    assert first != second
    assert pseudonym_of(people, " Anna  Example ") == first
    assert person_of(people, second) == "Ben Example"
    assert people.stat().st_mode & 0o077 == 0
    assert main(["pseudonym", first, "--people", str(people), "--whose"]) == 0
    assert capsys.readouterr().out == "Anna Example\n"
    people.chmod(0o644)
    with pytest.raises(ConfigError, match="others may read") as caught:
        pseudonym_of(people, "Anna Example")
    assert "chmod 600" in caught.value.hint


def test_who_is_who_does_not_lie_with_the_data(tmp_path):
    take = written_take(tmp_path / "takes/one")
    for place in (take, take.parent):
        with pytest.raises(ConfigError, match="must not lie with them"):
            pseudonym_of(place / "people.toml", "Anna")
    (tmp_path / "set/v1/shards").mkdir(parents=True)
    (tmp_path / "set/v1/manifest.json").write_text("{}")
    with pytest.raises(ConfigError, match="must not lie with them"):
        pseudonym_of(tmp_path / "set/people.toml", "Anna")
