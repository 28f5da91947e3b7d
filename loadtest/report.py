"""The figures, for people and for machines: medians over the rounds, ratios within a round."""

from dataclasses import asdict, dataclass
from statistics import median

# Seen: 0.9 to 1.0 on a quiet machine, 0.4 to 0.7 beside a neighbour on either CPU.
BUSY_MIN = 0.9

PASS_THROUGHS = {
    "get": {"plain": "plain-pingora", "nginx": "nginx"},
    "list": {"nginx": "nginx-list"},
    "h2": {"plain": "plain-pingora-h2"},
    "tls": {"plain": "plain-pingora-tls"},
    "low": {"plain": "plain-pingora-low"},
    "post": {"plain": "plain-pingora-post", "nginx": "nginx-post"},
    "1mb": {"plain": "plain-pingora-1mb"},
    "16mb": {"plain": "plain-pingora-16mb"},
}
HEADER = (
    f"{'':20}{'req/s':>9}{'[min..max]':>18}{'p50 µs':>8}{'p99 µs':>8}"
    f"{'CPU µs/req':>12}{'[min..max]':>14}{'busy':>6}{'req/s to':>11}{'':>7}{'CPU to':>9}\n"
    f"{'':95}{'pingora':>11}{'nginx':>7}{'pingora':>9}{'nginx':>7}")


@dataclass(frozen=True)
class Round:
    """One work, driven once."""
    requests: int
    rps: float
    p50_us: float
    p99_us: float
    cpu_us: float
    busy: float
    """The share of one CPU it used: below 1 it waited, for the load or for its CPU."""


def ratio(rounds, work, against, figure):
    """The median, over the rounds, of how `figure` of `work` compares with that of `against`."""
    other = PASS_THROUGHS[work.exchange].get(against)
    pairs = zip(rounds.get(work.name, []), rounds.get(other, []))
    pairs = [(getattr(one, figure), getattr(two, figure)) for one, two in pairs]
    ratios = [one / two for one, two in pairs if two]
    return median(ratios) if ratios else None


def summary(rounds, work):
    """The medians of `work`, with the extremes of what is ranked by."""
    figures = {name: [getattr(one, name) for one in rounds[work.name]]
               for name in ("rps", "p50_us", "p99_us", "cpu_us", "busy")}
    return {name: {"median": median(values), "min": min(values), "max": max(values)}
            for name, values in figures.items()}


def ratios(rounds, work):
    return {f"{figure}_to_{against}": ratio(rounds, work, against, figure)
            for figure in ("rps", "cpu_us") for against in ("plain", "nginx")}


def table(rounds, works):
    lines = [HEADER]
    for work in works:
        figures = summary(rounds, work)
        rps, cpu = figures["rps"], figures["cpu_us"]
        compared = [f"{value:.2f}" if value else "-" for value in ratios(rounds, work).values()]
        lines.append(
            f"{work.name:20}{rps['median']:9.0f}{span(rps, 0):>18}"
            f"{micros(figures['p50_us'])}{micros(figures['p99_us'])}"
            f"{cpu['median']:12.1f}{span(cpu, 1):>14}{figures['busy']['median']:6.0%}"
            f"{compared[0]:>11}{compared[1]:>7}{compared[2]:>9}{compared[3]:>7}")
    return "\n".join(lines)


def idleness(rounds):
    """A warning when what was measured was not kept busy; None when it was."""
    # With nothing in front of it the upstream is faster than the generator: never kept busy.
    shares = [one.busy for name, work in rounds.items()
              if name != "direct" and not name.endswith("-low") for one in work]
    idle = [share for share in shares if share < BUSY_MIN]
    if not idle:
        return None
    return (
        f"DISTURBED: in {len(idle)} of {len(shares)} rounds the measured process used less than "
        f"{BUSY_MIN:.0%} of its CPU, at worst {min(idle):.0%}.\n"
        "Something else took its CPU or that of the load: the figures are worse than the programs\n"
        "are, and not all by as much. Run again when the machine is quiet.")


def svg(rounds, works, facts):
    """A bar for each work: its CPU time per request as a multiple of its pass-through's."""
    bars = [(work.name, ratio(rounds, work, "plain", "cpu_us")) for work in works]
    bars = [(name, value) for name, value in bars if value]
    width, row, left = 720, 26, 170
    scale = (width - left - 70) / max(value for _, value in bars)
    height = row * len(bars) + 64
    title = "CPU time per request, plain Pingora's for the same exchange = 1"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"',
        f'     font-family="system-ui, sans-serif" font-size="13"><title>{title}</title>',
        f'  <rect width="{width}" height="{height}" fill="#fff"/>',
        f'  <text x="12" y="22" font-weight="600">{title}</text>',
    ]
    for at, (name, value) in enumerate(bars):
        y = 38 + at * row
        fill = "#3a6ea5" if name.startswith(("call", "list")) else "#a9b4c0"
        lines += [
            f'  <text x="{left - 10}" y="{y + 14}" text-anchor="end">{name}</text>',
            f'  <rect x="{left}" y="{y}" width="{value * scale:.0f}" height="18" fill="{fill}"/>',
            f'  <text x="{left + value * scale + 8:.0f}" y="{y + 14}">{value:.2f}</text>',
        ]
    x = left + scale
    lines += [
        f'  <line x1="{x:.0f}" y1="32" x2="{x:.0f}" y2="{height - 24}" stroke="#555" stroke-dasharray="3 3"/>',
        f'  <text x="12" y="{height - 8}" fill="#555">{facts["rounds"]} rounds of {facts["seconds"]} s, '
        f'{facts["connections"]} connections, {facts["generator"]}; medians of ratios within a round</text>',
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def micros(figure):
    """h2load tells none."""
    return f"{figure['median']:8.0f}" if figure["median"] else f"{'-':>8}"


def span(figure, digits):
    return f"[{figure['min']:.{digits}f}..{figure['max']:.{digits}f}]"


def as_json(rounds, works, facts, failures):
    return {
        **facts,
        "works": {work.name: {
            "rounds": [asdict(one) for one in rounds[work.name]],
            **summary(rounds, work),
            **ratios(rounds, work),
        } for work in works},
        "failures": failures,
    }
