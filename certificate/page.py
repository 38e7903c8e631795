"""The certificate as a page: what was measured, how, what came out, and where the largest errors are."""

from __future__ import annotations

from certificate.plan import BOUNDS, FULL, NARROWED, all_classes
from certificate.table import HALF, Line, Results, by_structure, errors, headings, lines, places, table


def page(results: Results, versions: list[str], date: str) -> str:
    """The whole page, in Markdown."""
    everything = lines(results)
    missed = [line for line in everything if not line.passes]
    parts = [introduction(versions, date), _verdict(everything, missed)]
    if missed:
        parts += ["### Beyond their bound", places(missed)]
    parts += _errors(everything, results) + _places(everything)
    return "\n\n".join(parts) + "\n"


def introduction(versions: list[str], date: str) -> str:
    elements, rows, arrays = (f"{of['float32']:g} and {of['float64']:g}" for of in BOUNDS.values())
    return f"""# Certificate of exactness

<!-- written by `make certificate` -->
How far each loss is from the truth: the largest error of its value, derivative and second derivative that was found on
each engine and dtype. The truth is the loss's textbook definition, differentiated mechanically in arithmetic of as many
digits as it takes; it shares no formula with the library.

An error is in units in the last place (ulp) of the true result, or of its largest term where it is a difference, divided
by the condition number of the problem where that is above 1: no algorithm does better than its input is known. The
bounds, for float32 and float64, are {elements} for losses of elements, {rows} for rows of classes, {arrays} for whole
arrays. Half precision is computed in float32, whose bound its values keep; its derivatives are rounded once more, to
within {NARROWED:g}.

- Losses of one argument (a residual, a margin, or a logit or probability for the labels 0 and 1) are asked at **every
  finite float16 and bfloat16 number** and at **{FULL.inputs:,} float32 numbers**: of every binade and sign its first
  and last eight, and one at random of each equal share between. The truth there is a curve of polynomials through the
  definition's numbers, which they meet between their nodes to 2⁻⁷ ulp; it picks the worst answers, and the definition
  itself judges those.
- All losses of elements are asked at extreme and random pairs, those of rows at rows that break softmaxes and at random
  ones, those of arrays at the samples of their tests: in float32 and float64, with every set of parameters that changes
  what is computed, and at the limits of their intervals where those are special.
- *numba* is the kernel, which also answers plain torch tensors; *numpy* is the reference; *torch* and *jax* are the rules
  as operations of the framework, as transforms and compilers have them. XLA takes subnormal numbers for 0: JAX is asked
  neither at nor for numbers below 1024 times the smallest normal one.
- NaN is counted where the truth is a number, and a gradient is dead where it is 0 and the truth is not: there may be
  none of either.

Measured with {", ".join(versions)}, {date}. To reproduce it: `make certificate`. Results are kept loss by loss until the
code that they depend on changes, so it may be interrupted; `python -m certificate --only huber --engine numba` measures
one loss on one engine."""


def _verdict(everything: list[Line], missed: list[Line]) -> str:
    losses = dict.fromkeys(line.cls for line in everything)
    nans, dead, answers = (
        sum(getattr(line.worst, what) for line in everything) for what in ("nans", "dead", "answers")
    )
    absent = [f"`{cls.name}`" for cls in all_classes() if cls not in losses]
    text = f"""## What came out

{len(losses)} losses, {answers:,} answers; {nans:,} NaN, {dead:,} dead gradients; {len(missed):,} of {len(everything):,}
largest errors are beyond their bound."""
    return text + (f" Not measured yet: {', '.join(absent)}." if absent else "")


def _errors(everything: list[Line], results: Results) -> list[str]:
    engines = list(dict.fromkeys(engine for ledgers in results.values() for engine in ledgers))
    parts = [
        "## Largest errors",
        "In ulp: value, derivative, second derivative; beyond the bound in bold. Answers are those of one engine and verb.",
    ]
    for name, some in by_structure(everything):
        rows = ([f"[`{loss}`](losses/{loss}.md)", *cells] for loss, *cells in errors(some, engines))
        parts += [f"### {name}", table(headings(engines), rows)]
    return parts


def _places(everything: list[Line]) -> list[str]:
    parts = [
        "## Where they are",
        "The input of each largest error above half a unit, which is the rounding of the answer itself; *undivided* is the "
        "error before its division by the condition number.",
    ]
    for name, some in by_structure(line for line in everything if line.worst.error > HALF):
        parts.append(f"<details><summary>{name}</summary>\n\n{places(some)}\n\n</details>")
    return parts
