"""What a journal holds opens in the place that it was sealed for, and nowhere else."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from trunkline.inference.journal.seal import (
    SEGMENT,
    STATUS,
    TERMS,
    RunSeal,
    SealBroken,
    SealReason,
    inbox_kind,
    key_id_of,
    make_run_key,
    open_run_key,
)

KEY_ID = "dek_golden"
KEY = bytes(range(32))
RUN = "run_1"
DATA = b"what the model said"
# Written once by the first release. If a change makes this fail, the change is wrong:
# runs like it lie in journals.
GOLDEN_KEY = bytes.fromhex(
    "010a64656b5f676f6c64656e777777777777777777777777b7fe0dbd5f7b973f1a31a433c9c0047c"
    "455da821dcebb5b94abaf09a73283673b04d1cd1d80e63082811258f8a50afec"
)
GOLDEN_PIECE = bytes.fromhex(
    "0170707070707070707070707026f60a8bd5f293d16c668db83fa2f8c8827a5a310f1993f076dbf8"
    "d57ed45f84a3d43e"
)

PLACES = [
    (SEGMENT, 1, 1, 4),
    (SEGMENT, 2, 1, 4),
    (SEGMENT, 1, 2, 4),
    (SEGMENT, 1, 1, 5),
    (SEGMENT, 1, 5, 4),
    (TERMS, 0, 0, 0),
    (TERMS, 1, 1, 4),
    (STATUS, 0, 0, 0),
    (inbox_kind("call_1"), 0, 0, 0),
    (inbox_kind("call_2"), 0, 0, 0),
    (inbox_kind(""), 0, 0, 0),
]


@pytest.fixture
def seal() -> RunSeal:
    """Return the seal of a run."""
    return make_run_key(KEY_ID, KEY, RUN)[1]


def reason_of(broken: pytest.ExceptionInfo[SealBroken]) -> SealReason:
    """Return why something did not open."""
    return broken.value.reason


@pytest.mark.parametrize("data", [b"", b"x", DATA, bytes(300_000)])
def test_a_piece_opens_in_its_place(data: bytes) -> None:
    """Whatever its length, it comes back as it was, also when the run was opened anew."""
    wrapped, written = make_run_key(KEY_ID, KEY, RUN)
    for place in PLACES:
        sealed = written.seal(*place, data)
        assert written.open(*place, sealed) == data
        assert open_run_key(wrapped, RUN, KEY).open(*place, sealed) == data
        assert len(sealed) == 29 + len(data)


def test_a_piece_opens_in_no_other_place(seal: RunSeal) -> None:
    """Another kind, epoch or sequence, each by itself, and another item of the inbox."""
    for place in PLACES:
        sealed = seal.seal(*place, DATA)
        for other in PLACES:
            if other != place:
                with pytest.raises(SealBroken) as caught:
                    seal.open(*other, sealed)
                assert reason_of(caught) is SealReason.ALTERED


def test_numbers_that_no_store_can_hold_break_a_piece(seal: RunSeal) -> None:
    """A record that was tampered with ends in this error, too, and in no other."""
    sealed = seal.seal(SEGMENT, 1, 1, 4, DATA)
    for place in [(2**64, 1, 4), (1, -(2**64), 4), (1, 1, 2**63), (-1, 1, 4)]:
        with pytest.raises(SealBroken):
            seal.open(SEGMENT, *place, sealed)


def test_a_piece_opens_in_no_other_run(seal: RunSeal) -> None:
    """Neither under another run's key, nor under its own key by another run's name."""
    sealed = seal.seal(SEGMENT, 1, 1, 4, DATA)
    _, stranger = make_run_key(KEY_ID, KEY, RUN)
    with pytest.raises(SealBroken):
        stranger.open(SEGMENT, 1, 1, 4, sealed)
    data_key = bytes(32)
    renamed = RunSeal("run_2", data_key).seal(SEGMENT, 1, 1, 4, DATA)
    with pytest.raises(SealBroken):
        RunSeal(RUN, data_key).open(SEGMENT, 1, 1, 4, renamed)


def test_a_name_cannot_run_over_into_what_follows_it() -> None:
    """Where the run's name ends is part of what is bound, and so is where the kind begins."""
    data_key = bytes(32)
    sealed = RunSeal("run_1", data_key).seal("a", 0, 0, 0, DATA)
    for run_id, kind in [("run_1\0", "a"), ("run_", "1a"), ("run_1a", "")]:
        with pytest.raises(SealBroken):
            RunSeal(run_id, data_key).open(kind, 0, 0, 0, sealed)


def test_every_bit_of_a_piece_counts(seal: RunSeal) -> None:
    """Each one, flipped, breaks it."""
    sealed = seal.seal(SEGMENT, 1, 1, 4, DATA)
    for bit in range(len(sealed) * 8):
        with pytest.raises(SealBroken) as caught:
            seal.open(SEGMENT, 1, 1, 4, flip(sealed, bit))
        expected = SealReason.UNKNOWN_VERSION if bit < 8 else SealReason.ALTERED
        assert reason_of(caught) is expected


def test_a_piece_that_was_cut_or_grew_is_refused(seal: RunSeal) -> None:
    """At every length."""
    sealed = seal.seal(SEGMENT, 1, 1, 4, DATA)
    for length in range(len(sealed)):
        with pytest.raises(SealBroken) as caught:
            seal.open(SEGMENT, 1, 1, 4, sealed[:length])
        assert reason_of(caught) is (SealReason.TRUNCATED if length < 29 else SealReason.ALTERED)
    for grown in (sealed + b"\0", sealed + sealed, b"\x01" + sealed):
        with pytest.raises(SealBroken):
            seal.open(SEGMENT, 1, 1, 4, grown)


def test_parts_of_two_pieces_make_no_third(seal: RunSeal) -> None:
    """The nonce of one with the rest of another, and the tag of one at the other's data."""
    one, other = (seal.seal(SEGMENT, 1, 1, 4, DATA) for _ in range(2))
    for mixed in (one[:13] + other[13:], one[:-16] + other[-16:]):
        with pytest.raises(SealBroken):
            seal.open(SEGMENT, 1, 1, 4, mixed)


def test_the_same_is_never_sealed_to_the_same(seal: RunSeal) -> None:
    """Nonces are random, and so are data keys."""
    assert len({seal.seal(TERMS, 0, 0, 0, DATA) for _ in range(50)}) == 50
    assert len({make_run_key(KEY_ID, KEY, RUN)[0] for _ in range(50)}) == 50


def test_a_data_key_tells_its_content_key() -> None:
    """So that the right one can be asked for, long after it was current."""
    wrapped, _ = make_run_key("dek_0Az", KEY, RUN)
    assert key_id_of(wrapped) == "dek_0Az"
    for key_id in ("", "dek_", "kek_1", "dek_é", "dek_1\n", "dek_" + "1" * 65):
        with pytest.raises(ValueError, match="content key's id"):
            make_run_key(key_id, KEY, RUN)


def test_a_data_key_opens_for_its_run_and_content_key_alone() -> None:
    """Put beside another run, or tried with another key, it is refused."""
    wrapped, _ = make_run_key(KEY_ID, KEY, RUN)
    for run_id, key in [("run_2", KEY), ("", KEY), (RUN, bytes(32))]:
        with pytest.raises(SealBroken) as caught:
            open_run_key(wrapped, run_id, key)
        assert reason_of(caught) is SealReason.ALTERED


def test_every_bit_of_a_data_key_counts() -> None:
    """Each one, flipped, breaks it, those of the content key's id too."""
    wrapped, _ = make_run_key(KEY_ID, KEY, RUN)
    for bit in range(len(wrapped) * 8):
        with pytest.raises(SealBroken):
            open_run_key(flip(wrapped, bit), RUN, KEY)


def test_a_data_key_that_was_cut_or_grew_is_refused() -> None:
    """At every length, and its content key is not told either."""
    wrapped, _ = make_run_key(KEY_ID, KEY, RUN)
    for length in range(len(wrapped)):
        with pytest.raises(SealBroken) as caught:
            open_run_key(wrapped[:length], RUN, KEY)
        assert reason_of(caught) is SealReason.TRUNCATED
        with pytest.raises(SealBroken):
            key_id_of(wrapped[:length])
    with pytest.raises(SealBroken):
        open_run_key(wrapped + b"\0", RUN, KEY)


def test_another_version_is_named_as_such(seal: RunSeal) -> None:
    """A newer build's journal is not damage."""
    wrapped, _ = make_run_key(KEY_ID, KEY, RUN)
    for call in (
        lambda: key_id_of(b"\x02" + wrapped[1:]),
        lambda: open_run_key(b"\x02" + wrapped[1:], RUN, KEY),
        lambda: seal.open(TERMS, 0, 0, 0, b"\x02"),
    ):
        with pytest.raises(SealBroken, match="format version") as caught:
            call()
        assert reason_of(caught) is SealReason.UNKNOWN_VERSION


def test_nothing_secret_is_shown() -> None:
    """Neither by a seal nor by its errors."""
    run = RunSeal(RUN, KEY)
    sealed = run.seal(TERMS, 0, 0, 0, DATA)
    with pytest.raises(SealBroken) as caught:
        run.open(STATUS, 0, 0, 0, sealed)
    shown = repr(run) + str(run) + repr(caught.value) + str(caught.value)
    for secret in (KEY, DATA, sealed):
        assert repr(secret)[2:-1] not in shown
        assert secret.hex() not in shown
    assert caught.value.__cause__ is None
    assert not hasattr(run, "__dict__")


def test_the_golden_run_opens() -> None:
    """What the first release wrote opens for ever."""
    assert key_id_of(GOLDEN_KEY) == KEY_ID
    seal = open_run_key(GOLDEN_KEY, RUN, KEY)
    assert seal.open(SEGMENT, 2, 3, 7, GOLDEN_PIECE) == DATA


def test_the_drawing_is_enough_to_write_a_run() -> None:
    """What another program writes by the drawing alone opens here, and is the golden run."""
    data_key, wrap_nonce, nonce = bytes(range(50, 82)), b"w" * 12, b"p" * 12
    header = b"\x01" + bytes([len(KEY_ID)]) + KEY_ID.encode()
    label = b"trunkline journal v1\0"
    associated = label + b"key\0" + header + RUN.encode()
    wrapped = header + wrap_nonce + AESGCM(KEY).encrypt(wrap_nonce, data_key, associated)
    place = b"".join(number.to_bytes(8, "big") for number in (2, 3, 7))
    associated = label + b"piece\0" + len(RUN).to_bytes(4, "big") + RUN.encode()
    associated += place + b"segment"
    piece = b"\x01" + nonce + AESGCM(data_key).encrypt(nonce, DATA, associated)
    assert open_run_key(wrapped, RUN, KEY).open(SEGMENT, 2, 3, 7, piece) == DATA
    assert (wrapped, piece) == (GOLDEN_KEY, GOLDEN_PIECE)


def flip(data: bytes, bit: int) -> bytes:
    """Return bytes with one bit changed."""
    flipped = bytearray(data)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)
