"""Bodies: the entities as JSON, compressed one by one.

Entities of one catalog look alike. A dictionary that has seen some of them brings a body of 2 kB down to about 250
bytes, and a body is back in 4 µs. Until there is a dictionary bodies are kept as they are.
"""

import hashlib
from array import array
from collections.abc import Iterable, Iterator

import zstandard

TRAIN_FROM = 1000
"""With fewer bodies a dictionary isn't worth its size."""

TRAIN_AT_LATEST = 20_000
"""While a catalog is loaded, the samples get better with every entity, and the memory gets worse."""

_WARM = 1_024
"""Bodies that were read last stay as they were read: what is asked for once is mostly asked for again."""

_WARM_BYTES = 8 * 1024
"""Larger ones don't."""

_SAMPLES = 500
_DICTIONARY_BYTES = 32 * 1024
_LEVEL = 3


class Bodies:
    """JSON by entity id. Ids are dense: a new one is at most one beyond the last."""

    __slots__ = ("_codec", "_count", "_digests", "_kept", "_warm")

    def __init__(self) -> None:
        self._kept: list[bytes | None] = []
        self._digests = array("Q")
        self._warm: dict[int, bytes] = {}
        self._count = 0
        self._codec: _Codec | None = None

    def __len__(self) -> int:
        return self._count

    @property
    def compressed(self) -> bool:
        """Whether there is a dictionary."""
        return self._codec is not None

    def put(self, member: int, body: bytes) -> None:
        """Keep *body* for *member*, instead of the one before."""
        if member == len(self._kept):
            self._kept.append(None)
            self._digests.append(0)
        if self._kept[member] is None:
            self._count += 1
        self._warm.pop(member, None)
        self._digests[member] = int.from_bytes(hashlib.blake2b(body, digest_size=8).digest())
        self._kept[member] = body if self._codec is None else self._codec.compress(body)
        if self._codec is None and self._count >= TRAIN_AT_LATEST:
            self.compress()

    def drop(self, member: int) -> None:
        """Forget the body of *member*."""
        self._kept[member] = None
        self._warm.pop(member, None)
        self._count -= 1

    def get(self, member: int) -> bytes:
        """The body of *member*."""
        body = self._warm.get(member)
        if body is not None:
            return body
        kept = self._kept[member]
        assert kept is not None
        if self._codec is None:
            return kept
        body = self._codec.decompress(kept)
        if len(body) <= _WARM_BYTES:
            if len(self._warm) >= _WARM:
                del self._warm[next(iter(self._warm))]
            self._warm[member] = body
        return body

    def select(self, members: Iterable[int]) -> "Selection":
        """The bodies of *members* in their order, as they are at this moment."""
        ids = list(members)
        frames = [frame for member in ids if (frame := self._kept[member]) is not None]
        assert len(frames) == len(ids)
        digests = array("Q", [self._digests[member] for member in ids])
        return Selection(frames, self._codec, hashlib.sha1(digests, usedforsecurity=False).digest())

    def compress_when_worthwhile(self) -> None:
        """Compress everything once there are bodies enough; for that one time it takes a quarter of a second."""
        if self._codec is None and self._count >= TRAIN_FROM:
            self.compress()

    def compress(self) -> None:
        """Make a dictionary from samples of all bodies, and compress them with it."""
        bodies = [body for body in self._kept if body is not None]
        codec = _Codec(bodies[:: max(1, len(bodies) // _SAMPLES)])
        self._kept = [None if body is None else codec.compress(body) for body in self._kept]
        self._codec = codec


class Selection:
    """Some bodies at one moment, whatever becomes of the catalog. Each is decompressed when its turn comes."""

    __slots__ = ("_codec", "_frames", "digest")

    def __init__(self, frames: list[bytes], codec: "_Codec | None", digest: bytes) -> None:
        self._frames = frames
        self._codec = codec
        self.digest = digest
        """The same for the same bodies in the same order, in every process."""

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._frames) if self._codec is None else map(self._codec.decompress, self._frames)


class _Codec:
    """Compresses what looks like *samples*."""

    __slots__ = ("_compressor", "_decompressor")

    def __init__(self, samples: list[bytes]) -> None:
        try:
            dictionary = zstandard.train_dictionary(_DICTIONARY_BYTES, list[bytes | bytearray | memoryview](samples))
            dictionary.precompute_compress(level=_LEVEL)
        except zstandard.ZstdError:
            # There is nothing to learn from samples that have next to nothing in them, or nothing in common.
            dictionary = zstandard.ZstdCompressionDict(b"")
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, dict_data=dictionary, write_dict_id=False)
        self._decompressor = zstandard.ZstdDecompressor(dict_data=dictionary)

    def compress(self, body: bytes) -> bytes:
        # The library reserves room for the worst case and keeps it; a copy has the size of what is in it.
        return bytes(memoryview(self._compressor.compress(body)))

    def decompress(self, frame: bytes) -> bytes:
        return self._decompressor.decompress(frame)
