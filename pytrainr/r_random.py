"""R's random numbers: ``set.seed``, ``runif``, ``rnorm`` and ``sample`` with R's bits.

The uniforms come from :mod:`pytrainr.r_generators`; what R makes of them is here: normals by inversion (Wichura 1988,
algorithm AS 241), integers by rejection (R since 3.6.0) or by rounding (R before). A stream draws exactly as many
uniforms as R would, so that whatever is drawn next is R's too.

    set_seed(1)
    runif(3)                     # 0.2655087 0.3721239 0.5728534, as in R
    stream = RRandom(1)          # a stream of one's own
    stream.sample(10)
"""

from __future__ import annotations

import math
import os
import threading
import time
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytrainr.argument_errors import wrong_type
from pytrainr.forks import around_fork
from pytrainr.r_generators import GENERATORS, Generator, GeneratorStateError, congruential

__all__ = ["RRandom", "default_stream", "rnorm", "runif", "sample", "set_seed", "stream_of"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_LARGEST_SAMPLE = 4.5e15  # R's limit for the n of sample()
_HASHED_FROM = 1e7  # from this n on R draws a small sample by rejecting repetitions
_ALIAS_FROM = 200  # with more classes than this R draws weighted samples by Walker's alias method

_UNIFORM_KINDS = tuple("user-supplied" if generator is None else generator.kind for generator in GENERATORS)
_NORMAL_KINDS = (
    "Buggy Kinderman-Ramage",
    "Ahrens-Dieter",
    "Box-Muller",
    "user-supplied",
    "Inversion",
    "Kinderman-Ramage",
)
_SAMPLE_KINDS = ("Rounding", "Rejection")
_DRAWN_NORMAL_KIND = "Inversion"


_streams: weakref.WeakSet[RRandom] = weakref.WeakSet()
_streams_lock = threading.RLock()
_held: list[RRandom] = []


def _hold_all() -> None:
    """Before a fork: no thread is amid drawing when the memory is copied, no lock remains locked in the child."""
    _streams_lock.acquire()
    _held.extend(_streams)
    for stream in _held:
        stream._lock.acquire()


def _release_all() -> None:
    while _held:
        _held.pop()._lock.release()
    _streams_lock.release()


around_fork(_hold_all, _release_all)


class RRandom:
    """One stream of R's random numbers.

    ``seed`` is what R's ``set.seed`` takes; without it the stream starts from the time and the process id.
    ``sample_kind`` is "Rejection" (R since 3.6.0) or "Rounding" (R before), ``kind`` one of R's generators of uniforms.
    Several threads may share a stream: a call draws all its numbers before another thread's call draws any.

    ``seed`` has to be an integer in ±(2³¹ − 1); anything else, as any argument below that cannot be what it should,
    is a ``ValueError`` or ``TypeError`` that names it.
    """

    def __init__(
        self, seed: int | None = None, sample_kind: str = "Rejection", *, kind: str = "Mersenne-Twister"
    ) -> None:
        self._lock = threading.RLock()
        with _streams_lock:
            _streams.add(self)
        self._generator = _generator(kind)
        self._normal_kind = _DRAWN_NORMAL_KIND
        self.set_seed(seed, sample_kind)

    @classmethod
    def from_random_seed(cls, random_seed: ArrayLike) -> RRandom:
        """The stream that continues where R's ``.Random.seed`` stands."""
        stream = cls(0)
        stream.random_seed = random_seed
        return stream

    def set_seed(self, seed: int | None = None, sample_kind: str | None = None) -> None:
        """Start again at ``seed``, as R's ``set.seed(seed)``; ``None`` is a new start from time and process id."""
        if seed is None:
            now = time.time_ns()
            scrambled = (now ^ (now >> 32) ^ (os.getpid() << 16)) & 0xFFFFFFFF
        else:
            scrambled = _integer(seed, "seed", -(2**31) + 1, 2**31 - 1) & 0xFFFFFFFF
        for _ in range(50):
            scrambled = congruential(scrambled)
        with self._lock:
            if sample_kind is not None:
                self.sample_kind = sample_kind
            try:
                self._generator.seed(scrambled)
            except GeneratorStateError as error:
                raise ValueError(f"seed{error}") from None

    @property
    def sample_kind(self) -> str:
        """How integers are drawn: "Rejection" or "Rounding"; setting it leaves the stream where it is, as in R."""
        return self._sample_kind

    @sample_kind.setter
    def sample_kind(self, kind: str) -> None:
        if kind not in _SAMPLE_KINDS:
            raise ValueError(f"sample_kind should be 'Rejection' or 'Rounding', it is {kind!r}")
        self._sample_kind = kind

    @property
    def random_seed(self) -> NDArray[np.int32]:
        """R's ``.Random.seed``: int32, the code of the kinds and the generator's state, 626 for the Mersenne-Twister.

        Setting it continues where R stood, its kinds included. A generator that the user has supplied in R is refused
        by name; a normal kind other than inversion only where a normal is to be drawn, for R keeps part of its state
        apart.
        """
        with self._lock:
            kinds = (_SAMPLE_KINDS.index(self._sample_kind), _NORMAL_KINDS.index(self._normal_kind))
            code = kinds[0] * 10_000 + kinds[1] * 100 + _UNIFORM_KINDS.index(self._generator.kind)
            return np.concatenate([np.array([code], dtype=np.int32), self._generator.state])

    @random_seed.setter
    def random_seed(self, random_seed: ArrayLike) -> None:
        values = _int32(random_seed)
        sample_kind, normal_kind, kind = _kinds(int(values[0]) if values.size else None)
        generator = self._generator if kind == self._generator.kind else _generator(kind)
        with self._lock:
            try:
                generator.state = values[1:]
            except GeneratorStateError as error:
                raise ValueError(f"random_seed{error}") from None
            self._generator, self._normal_kind, self.sample_kind = generator, normal_kind, sample_kind

    def __reduce__(self) -> tuple[Any, ...]:
        return RRandom.from_random_seed, (self.random_seed,)

    def __repr__(self) -> str:
        return f"<RRandom {self._generator.kind}, {self._normal_kind}, {self._sample_kind}>"

    # uniforms and normals -----------------------------------------------------------------------------------------

    def unif_rand(self, n: int) -> Floats:
        """``n`` uniforms in (0, 1), shape (n,), never 0 or 1."""
        n = _integer(n, "n", 0)
        with self._lock:
            return self._generator.uniforms(n)

    def runif(self, n: int, min: float = 0.0, max: float = 1.0) -> Floats:
        """``n`` uniforms between ``min`` and ``max``, shape (n,): min + (max − min) u.

        Where they are equal, all are ``min`` and nothing is drawn, as in R. ``ValueError`` where R gives NaN.
        """
        n, low, high = _integer(n, "n", 0), _number(min, "min"), _number(max, "max")
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise ValueError(f"min and max should be finite with min <= max; they are {low!r} and {high!r}")
        return np.full(n, low) if low == high else low + (high - low) * self.unif_rand(n)

    def rnorm(self, n: int, mean: float = 0.0, sd: float = 1.0) -> Floats:
        """``n`` normals, shape (n,), by inversion: two uniforms make one of 54 bits, whose quantile is taken.

        With ``sd = 0`` all are ``mean`` and nothing is drawn, as in R. ``ValueError`` where R gives NaN.
        """
        n, mean, sd = _integer(n, "n", 0), _number(mean, "mean"), _number(sd, "sd")
        if math.isnan(mean) or not 0.0 <= sd < math.inf:
            raise ValueError(
                f"mean should be a number and sd should be finite and not negative; they are {mean!r} and {sd!r}"
            )
        if sd == 0.0 or math.isinf(mean):
            return np.full(n, mean)
        if self._normal_kind != _DRAWN_NORMAL_KIND and n:
            raise ValueError(
                f"random_seed is of R's normal kind {self._normal_kind!r}, of which no normal can be drawn here; only "
                "of 'Inversion' (in R: RNGkind(normal.kind = 'default'))"
            )
        high, low = self.unif_rand(2 * n).reshape(n, 2).T
        return mean + sd * _normal_quantile((np.floor(134217728.0 * high) + low) / 134217728.0)

    # integers -----------------------------------------------------------------------------------------------------

    def index(self, n: int, size: int) -> Integers:
        """``size`` integers of 0..n-1, each drawn from all of them, shape (size,): ``sample(n, size, TRUE) - 1``."""
        n, size = _integer(n, "n", 1, _LARGEST_SAMPLE), _integer(size, "size", 0)
        with self._lock:
            return self._rounded(n, size) if self._sample_kind == "Rounding" else self._rejected(n, size)

    def _rejected(self, n: int, size: int) -> Integers:
        """log2 n bits, rounded up, 16 from each word, drawn again while they make n or more."""
        bits = math.ceil(math.log2(n))
        pieces = bits // 16 + 1  # R draws a piece too many where bits is a multiple of 16
        chosen = np.empty(size, dtype=np.int64)
        filled = 0
        while filled < size:  # each number needs one try at least: R would draw all these words too
            tries = self._generator.sixteen_bits((size - filled) * pieces).reshape(-1, pieces)
            values = tries[:, 0]
            for k in range(1, pieces):
                values = (values << 16) | tries[:, k]
            values &= (1 << bits) - 1
            kept = values[values < n]
            chosen[filled : filled + kept.size] = kept
            filled += kept.size
        return chosen

    def _rounded(self, n: int, size: int) -> Integers:
        """floor(n u); for an n of more than 31 bits u has the bits of two uniforms."""
        if n <= 2**31 - 1:
            return np.floor(n * self.unif_rand(size)).astype(np.int64)
        high, low = self.unif_rand(2 * size).reshape(size, 2).T
        return np.floor(n * ((np.floor(33554432.0 * high) + low) / 33554432.0)).astype(np.int64)

    def sample(
        self,
        x: int | Sequence[Any] | np.ndarray,
        size: int | None = None,
        replace: bool = False,
        prob: ArrayLike | None = None,
    ) -> np.ndarray:
        """R's ``sample``: ``size`` elements of ``x``, or of 1..x where ``x`` is an integer, in the order drawn.

        ``size`` is all of them by default. ``prob`` gives a weight to each element; the weights need not sum to one.
        A sequence is always drawn from itself: ``sample([5])`` is 5, where R's ``sample(5)`` takes 1..5.
        """
        if isinstance(x, (int, float, np.number)):
            return 1 + self._sample_positions(_integer(x, "x", 1, _LARGEST_SAMPLE), size, replace, prob)
        population = np.asarray(x)
        if population.ndim != 1:
            raise ValueError(f"x should be an integer or have one dimension; its shape is {population.shape}")
        return population[self._sample_positions(population.size, size, replace, prob)]

    def _sample_positions(self, n: int, size: int | None, replace: bool, prob: ArrayLike | None) -> Integers:
        size = n if size is None else _integer(size, "size", 0)
        if n == 0 and size == 0:
            return np.zeros(0, dtype=np.int64)
        if size > n and not replace:
            raise ValueError(f"size should be at most {n}, the population, unless replace=True; it is {size}")
        with self._lock:
            if prob is not None:
                return self._weighted(_weights(prob, n, size, replace), size, replace)
            if replace or size < 2:
                return self.index(n, size)
            if n > _HASHED_FROM and size <= n / 2:
                return self._distinct(n, size)
            return self._shuffled(n, size)

    def _shuffled(self, n: int, size: int) -> Integers:
        """Without replacement: the last of those left takes the place of the one drawn."""
        left = list(range(n))
        chosen = np.empty(size, dtype=np.int64)
        for i in range(size):
            place = int(self.index(len(left), 1)[0])
            chosen[i] = left[place]
            last = left.pop()
            if place < len(left):
                left[place] = last
        return chosen

    def _distinct(self, n: int, size: int) -> Integers:
        """Without replacement, few of very many: draw again what was drawn before."""
        seen: dict[int, None] = {}  # in the order drawn
        while len(seen) < size:
            seen.update(dict.fromkeys(self.index(n, size - len(seen)).tolist()))
        return np.fromiter(seen, dtype=np.int64, count=size)

    def _weighted(self, probabilities: Floats, size: int, replace: bool) -> Integers:
        n = probabilities.size
        if not replace and size > 1:
            return self._weighted_without_replacement(probabilities, size)
        if np.count_nonzero(n * probabilities > 0.1) > _ALIAS_FROM:
            return self._aliased(probabilities, size)
        order = _descending(probabilities)
        bounds = np.cumsum(probabilities[order])[:-1]  # the last class takes what rounding leaves above its bound
        return order[np.searchsorted(bounds, self.unif_rand(size), side="left")]

    def _weighted_without_replacement(self, probabilities: Floats, size: int) -> Integers:
        """Each draw among the classes left, of which the likelier are looked at first."""
        order = _descending(probabilities)
        mass = probabilities[order]
        total = 1.0
        chosen = np.empty(size, dtype=np.int64)
        for i, uniform in enumerate(self.unif_rand(size)):
            place = int(np.searchsorted(np.cumsum(mass)[:-1], total * uniform, side="left"))
            chosen[i] = order[place]
            total -= float(mass[place])
            order, mass = np.delete(order, place), np.delete(mass, place)
        return chosen

    def _aliased(self, probabilities: Floats, size: int) -> Integers:
        """Walker's alias method (1977): n columns of equal mass, each shared by a class and its alias."""
        n = probabilities.size
        share = (probabilities * n).tolist()
        small = [i for i in range(n) if share[i] < 1.0]
        large = [i for i in reversed(range(n)) if not share[i] < 1.0]
        alias = list(range(n))
        donors = iter(large)
        donor = next(donors, None)
        for receiver in small:
            if donor is None:
                break
            alias[receiver] = donor
            share[donor] += share[receiver] - 1.0
            if share[donor] < 1.0:  # a donor that has given so much is the last receiver now
                small.append(donor)
                donor = next(donors, None)
        bound = np.array(share) + np.arange(n)
        if self._sample_kind == "Rounding":
            place = self.unif_rand(size) * n
        else:  # R draws the column and the place in it one after the other
            place = np.array([self.index(n, 1)[0] + self.unif_rand(1)[0] for _ in range(size)], dtype=np.float64)
        column = place.astype(np.int64)
        return np.where(place < bound[column], column, np.array(alias)[column])


# checks -------------------------------------------------------------------------------------------------------------


def _integer(value: Any, name: str, lowest: int, highest: float = math.inf) -> int:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} should be an integer; it is {value!r}")
    if not math.isfinite(value) or value != int(value) or not lowest <= value <= highest:
        limits = f"of at least {lowest}" if math.isinf(highest) else f"from {lowest} to {int(highest)}"
        raise ValueError(f"{name} should be an integer {limits}; it is {value!r}")
    return int(value)


def _number(value: Any, name: str) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} should be a single number; it is {value!r}")
    return float(value)


def _int32(random_seed: ArrayLike) -> NDArray[np.int32]:
    values = np.asarray(random_seed)
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise ValueError(
            "random_seed should be R's .Random.seed, a vector of integers; "
            f"it has the shape {values.shape} and the type {values.dtype}"
        )
    limits = np.iinfo(np.int32)
    exact = values == np.floor(values) if values.dtype.kind == "f" else np.ones(values.shape, dtype=bool)
    if not (exact & (values >= limits.min) & (values <= limits.max)).all():
        raise ValueError("random_seed should be R's .Random.seed: its values should be integers of 32 bits with sign")
    return values.astype(np.int32)


def _kinds(code: int | None) -> tuple[str, str, str]:
    """The sample, normal and uniform kinds of ``.Random.seed[1]`` = uniform + 100 × normal + 10000 × sample kind."""
    kinds = [_SAMPLE_KINDS, _NORMAL_KINDS, _UNIFORM_KINDS]
    numbers = [] if code is None else [code // 10_000, code // 100 % 100, code % 100]
    if code is None or code < 0 or any(number >= len(names) for number, names in zip(numbers, kinds, strict=True)):
        raise ValueError(f"random_seed[0] should be R's code of its random number kinds, 10403 or 403; it is {code}")
    sample_kind, normal_kind, kind = (names[number] for number, names in zip(numbers, kinds, strict=True))
    return sample_kind, normal_kind, kind


def _generator(kind: str) -> Generator:
    for generator in GENERATORS:
        if generator is not None and generator.kind == kind:
            return generator()
    listed = ", ".join(repr(generator.kind) for generator in GENERATORS if generator)
    raise ValueError(f"kind should be one of R's random number generators {listed}; it is {kind!r}")


def _weights(prob: ArrayLike, n: int, size: int, replace: bool) -> Floats:
    """Probabilities of ``prob``, which is checked."""
    weights = np.asarray(prob)
    if weights.dtype.kind not in "biuf" or weights.shape != (n,):
        raise ValueError(
            f"prob should be {n} numbers, one for each element; it has the shape {weights.shape} "
            f"and the type {weights.dtype}"
        )
    weights = weights.astype(np.float64)
    if not (np.isfinite(weights) & (weights >= 0.0)).all():
        raise ValueError("prob should hold finite numbers that are not negative")
    positive, needed = int(np.count_nonzero(weights)), 1 if replace else max(size, 1)
    if positive < needed:
        raise ValueError(f"prob should have at least {needed} positive numbers; it has {positive}")
    total: np.float64 = np.cumsum(weights)[-1]  # one by one, as R does
    return weights / total


def _descending(probabilities: Floats) -> Integers:
    """The positions of ``probabilities`` from the largest to the smallest.

    Heapsort with a heap whose root is the smallest (Williams 1964, Floyd 1964), because the order in which it leaves
    equal probabilities is the order in which R looks at them.
    """
    if np.unique(probabilities).size == probabilities.size:
        return np.argsort(-probabilities)
    heap = [(p, i) for i, p in enumerate(probabilities.tolist())]

    def sift(item: tuple[float, int], hole: int, end: int) -> None:
        while (child := 2 * hole + 1) < end:
            if child + 1 < end and heap[child + 1][0] < heap[child][0]:
                child += 1
            if not heap[child][0] < item[0]:
                break
            heap[hole] = heap[child]
            hole = child
        heap[hole] = item

    for root in reversed(range(len(heap) // 2)):
        sift(heap[root], root, len(heap))
    for end in reversed(range(1, len(heap))):
        item, heap[end] = heap[end], heap[0]
        sift(item, 0, end)
    return np.array([i for _, i in heap], dtype=np.int64)


# the normal quantile ------------------------------------------------------------------------------------------------

# Wichura (1988), Algorithm AS 241, PPND16: numerators and denominators from the highest power to the lowest.
_CENTRE = (
    (
        2509.0809287301226727,
        33430.575583588128105,
        67265.770927008700853,
        45921.953931549871457,
        13731.693765509461125,
        1971.5909503065514427,
        133.14166789178437745,
        3.387132872796366608,
    ),
    (
        5226.495278852854561,
        28729.085735721942674,
        39307.89580009271061,
        21213.794301586595867,
        5394.1960214247511077,
        687.1870074920579083,
        42.313330701600911252,
        1.0,
    ),
)
_TAIL = (
    (
        7.7454501427834140764e-4,
        0.0227238449892691845833,
        0.24178072517745061177,
        1.27045825245236838258,
        3.64784832476320460504,
        5.7694972214606914055,
        4.6303378461565452959,
        1.42343711074968357734,
    ),
    (
        1.05075007164441684324e-9,
        5.475938084995344946e-4,
        0.0151986665636164571966,
        0.14810397642748007459,
        0.68976733498510000455,
        1.6763848301838038494,
        2.05319162663775882187,
        1.0,
    ),
)
_FAR_TAIL = (
    (
        2.01033439929228813265e-7,
        2.71155556874348757815e-5,
        0.0012426609473880784386,
        0.026532189526576123093,
        0.29656057182850489123,
        1.7848265399172913358,
        5.4637849111641143699,
        6.6579046435011037772,
    ),
    (
        2.04426310338993978564e-15,
        1.4215117583164458887e-7,
        1.8463183175100546818e-5,
        7.868691311456132591e-4,
        0.0148753612908506148525,
        0.13692988092273580531,
        0.59983220655588793769,
        1.0,
    ),
)


def _polynomial(coefficients: tuple[float, ...], r: Floats) -> Floats:
    value = np.full_like(r, coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * r + coefficient
    return value


def _normal_quantile(p: Floats) -> Floats:
    """The standard normal quantile of each ``p`` in (0, 1]: ratios of polynomials, in three pieces."""
    q = p - 0.5
    quantile = np.empty_like(p)
    centre = np.abs(q) <= 0.425
    r = 0.180625 - q[centre] * q[centre]
    quantile[centre] = q[centre] * _polynomial(_CENTRE[0], r) / _polynomial(_CENTRE[1], r)
    outside = ~centre
    tail = np.where(q[outside] < 0.0, p[outside], 0.5 - p[outside] + 0.5)
    # math.log is the C library's, as R's; NumPy's own may differ in the last bit. log(0) is R's -Inf.
    r = np.sqrt([-math.log(mass) if mass > 0.0 else math.inf for mass in tail.tolist()])
    value = np.full_like(r, math.inf)
    for (numerator, denominator), shift, piece in (
        (_TAIL, 1.6, r <= 5.0),
        (_FAR_TAIL, 5.0, (r > 5.0) & np.isfinite(r)),
    ):
        shifted = r[piece] - shift
        value[piece] = _polynomial(numerator, shifted) / _polynomial(denominator, shifted)
    quantile[outside] = np.where(q[outside] < 0.0, -value, value)
    return quantile


# the stream of the module -------------------------------------------------------------------------------------------

_default: RRandom | None = None


def default_stream() -> RRandom:
    """The stream used where no other is given: R's global one."""
    global _default
    with _streams_lock:
        if _default is None:
            _default = RRandom()
        return _default


def stream_of(rng: Any) -> RRandom:
    """The stream that a caller gave, or the module's own for None."""
    if rng is None:
        return default_stream()
    if isinstance(rng, RRandom):
        return rng
    raise wrong_type("rng", "{place} should be a pytrainr.RRandom, for example RRandom(1); it is {value}", value=rng)


def set_seed(seed: int | None = None, sample_kind: str | None = None) -> None:
    """R's ``set.seed``: start the module's stream at ``seed``; ``None`` starts it from time and process id."""
    default_stream().set_seed(seed, sample_kind)


def runif(n: int, min: float = 0.0, max: float = 1.0) -> Floats:
    """R's ``runif`` from the module's stream, see :meth:`RRandom.runif`."""
    return default_stream().runif(n, min, max)


def rnorm(n: int, mean: float = 0.0, sd: float = 1.0) -> Floats:
    """R's ``rnorm`` from the module's stream, see :meth:`RRandom.rnorm`."""
    return default_stream().rnorm(n, mean, sd)


def sample(
    x: int | Sequence[Any] | np.ndarray,
    size: int | None = None,
    replace: bool = False,
    prob: ArrayLike | None = None,
) -> np.ndarray:
    """R's ``sample`` from the module's stream, see :meth:`RRandom.sample`."""
    return default_stream().sample(x, size, replace, prob)
