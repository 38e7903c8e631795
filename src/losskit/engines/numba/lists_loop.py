"""The loops of losses of lists; lists.py copies them under the rules of a loss.

The items of a query are read in float64 by falling relevance, so that all that an item is compared with
lie behind it, next to each other. Each loop takes blocks of queries and writes terms and gradients.
"""
# mypy: ignore-errors

from typing import Any

import numpy as np

from losskit.engines.numba.intrinsics import add_reassoc

# Written above the loops in each generated module.
exp: Any
log1p: Any
sigmoid: Any
value_of: Any
slope_of: Any
weight_of: Any
gain: Any
discount: Any
lost: Any
lost_slope: Any
WEIGHTED: Any
MOST_APART: Any


def existing(w, places):
    """Put the places of the items that are no padding into ``places``; their number."""
    n = 0
    for i in range(places.size):
        if w is None or w[i] > 0.0:
            places[n] = i
            n += 1
    return n


def sort(places, other, n, first, second):
    """Sort n places by ``first``, falling, and by ``second`` among equals: a merge sort, so that ties stay in order.

    NumPy's own takes Numba seconds to compile.
    """
    width = 1
    while width < n:
        for start in range(0, n, 2 * width):
            i, middle, end = start, min(start + width, n), min(start + 2 * width, n)
            j = middle
            for k in range(start, end):
                right = i >= middle
                if not right and j < end:
                    a, b = places[i], places[j]
                    right = first[b] > first[a] or (first[b] == first[a] and second[b] > second[a])
                if right:
                    other[k] = places[j]
                    j += 1
                else:
                    other[k] = places[i]
                    i += 1
        for k in range(n):
            places[k] = other[k]
        width *= 2


def gather(y, s, places, Y, S):
    """Put relevances and scores of the items at the first places into Y and S; True where a relevance is NaN."""
    total = 0.0
    for i in range(Y.size):
        Y[i], S[i] = y[places[i]], s[places[i]]
        total += 0.0 * Y[i]  # of an infinite relevance NaN as well, which the formula then puts right
    return total != 0.0


def find_ends(Y, ends):
    """For each item the place behind the last one of equal relevance."""
    end = Y.size
    for i in range(Y.size - 1, -1, -1):
        if i + 1 < Y.size and Y[i + 1] < Y[i]:
            end = i + 1
        ends[i] = end


def find_worth(Y, worth):
    """Gains over the best sum of discounted gains."""
    best = 0.0
    for i in range(Y.size):
        worth[i] = gain(Y[i])
        best += worth[i] * discount(i + 1.0)
    for i in range(Y.size):
        worth[i] /= best if best > 0.0 else 1.0


def find_ranks(S, order, other, ranks):
    """Ranks from 1, of items that lie by falling relevance: of equal scores the last one comes first."""
    for i in range(S.size):
        order[i], ranks[i] = i, i
    sort(order, other, S.size, S, ranks)
    for i in range(S.size):
        ranks[order[i]] = i + 1.0


def write(gradient, places, G, factor):
    """Put the gradient of the items that exist into its places."""
    for i in range(gradient.size):
        gradient[i] = 0.0
    for i in range(G.size):
        gradient[places[i]] = factor * G[i]


def pairs(y, s, w, k, m, cotangent, step, terms, gradient, wild, first, last):
    """Every item against those that are less relevant; k and m are parameters of value and weight."""
    items = y.shape[1]
    places, other, all_ends = np.empty((3, items), np.int64)
    numbers = np.empty((5, items))
    for q in range(first * step, min(last * step, y.shape[0])):
        n = existing(None if w is None else w[q], places)
        sort(places, other, n, y[q], s[q])
        Y, S, G, ends = numbers[0, :n], numbers[1, :n], numbers[2, :n], all_ends[:n]
        wild[q] = gather(y[q], s[q], places, Y, S)
        if WEIGHTED:
            worth, ranks = numbers[3, :n], numbers[4, :n]
            find_worth(Y, worth)
            find_ranks(S, ends, other, ranks)  # with the memory of the ends
        find_ends(Y, ends)
        for i in range(n):
            G[i] = 0.0
        total = 0.0
        for i in range(n):
            si, pull = S[i], 0.0
            behind, H = S[ends[i] :], G[ends[i] :]
            if WEIGHTED:
                wi, ri = worth[i], ranks[i]
                W, R = worth[ends[i] :], ranks[ends[i] :]
            for j in range(behind.size):
                d = si - behind[j]
                value, slope = value_of(d, k), slope_of(d, k)
                if WEIGHTED:
                    weight = weight_of(wi, W[j], ri, R[j], m)
                    value, slope = weight * value, weight * slope
                total = add_reassoc(total, value)
                pull = add_reassoc(pull, slope)
                H[j] -= slope
            G[i] += pull
        terms[q] = total
        if gradient is not None:
            write(gradient[q], places, G, cotangent[q])


def find_others(e, first, end, behind, others):
    """For each of the items first..end-1 the sum of ``e`` over the others of them, plus ``behind``.

    Only for the largest of them would the sum of all less its own cancel.
    """
    top = first
    for i in range(first, end):
        if e[i] > e[top]:
            top = i
    rest = behind
    for i in range(first, top):
        rest = add_reassoc(rest, e[i])
    for i in range(top + 1, end):
        rest = add_reassoc(rest, e[i])
    total = rest + e[top]
    for i in range(first, end):
        others[i] = total - e[i]
    others[top] = rest


def powers(x, e):
    """Put e^(x - largest x) into ``e``; the difference of the largest and the smallest x."""
    high, low = -np.inf, np.inf
    for i in range(x.size):
        high, low = max(high, x[i]), min(low, x[i])
    for i in range(x.size):
        e[i] = exp(x[i] - high)
    return high - low


def choices(y, s, w, k, m, cotangent, step, terms, gradient, wild, first, last):
    """Every item against the sum of those that it is chosen among, k[0] of 1 meaning all items.

    Sums of exponentials have room for scores that lie up to MOST_APART apart; other queries are left
    to the formula. With k[1] of 1 an item's share is the softmax of its relevance.
    """
    items = y.shape[1]
    places, other, all_ends = np.empty((3, items), np.int64)
    numbers = np.empty((8, items))
    for q in range(first * step, min(last * step, y.shape[0])):
        n = existing(None if w is None else w[q], places)
        if k[0] == 0.0:
            sort(places, other, n, y[q], s[q])
        Y, S, G, ends = numbers[0, :n], numbers[1, :n], numbers[2, :n], all_ends[:n]
        e, share, others = numbers[3, :n], numbers[4, :n], numbers[5, :n]
        other_shares, sums = numbers[6, :n], numbers[7, :n]
        odd = gather(y[q], s[q], places, Y, S)
        wild[q] = odd or not powers(S, e) < MOST_APART
        find_ends(Y, ends)
        if k[0] != 0.0:
            for i in range(n):
                ends[i] = n
        powers(Y, share)
        shares = 0.0
        for i in range(n):
            share[i] = share[i] if k[1] != 0.0 else 1.0
            shares += share[i] if k[1] != 0.0 else 1.0 / n
        behind, end = 0.0, n
        while end > 0:  # groups of ties, the least relevant first
            start = end
            while start > 0 and ends[start - 1] == end:
                start -= 1
            find_others(e, start, end, behind, others)
            find_others(share, start, end, 0.0, other_shares)
            behind = others[start] + e[start]
            for i in range(start, end):
                sums[i] = behind
            end = start
        total = 0.0
        for i in range(n):
            total = add_reassoc(total, share[i] * log1p(others[i] / e[i]))
        terms[q] = total / shares
        if gradient is None:
            continue
        above, start = 0.0, 0  # of the more relevant: their shares over the sums they are chosen from
        while start < n:
            for i in range(start, ends[start]):
                G[i] = above
            above += (other_shares[start] + share[start]) / sums[start]
            start = ends[start]
        for i in range(n):
            chosen = e[i] * (G[i] + other_shares[i] / sums[i])
            G[i] = (chosen - share[i] * (others[i] / sums[i])) / shares
        write(gradient[q], places, G, cotangent[q])


def ranks(y, s, w, k, m, cotangent, step, terms, gradient, wild, first, last):
    """Smooth ranks at the temperature k[0]: every item against those behind it in the right order."""
    steep = 1.0 / k[0]
    items = y.shape[1]
    places, other = np.empty((2, items), np.int64)
    numbers = np.empty((5, items))
    for q in range(first * step, min(last * step, y.shape[0])):
        n = existing(None if w is None else w[q], places)
        sort(places, other, n, y[q], s[q])
        Y, S, G = numbers[0, :n], numbers[1, :n], numbers[2, :n]
        worth, excess = numbers[3, :n], numbers[4, :n]
        wild[q] = gather(y[q], s[q], places, Y, S)
        find_worth(Y, worth)
        for i in range(n):
            G[i] = excess[i] = 0.0
        for i in range(n):
            si, more = S[i], 0.0
            behind, E = S[i + 1 :], excess[i + 1 :]
            for j in range(behind.size):
                ahead = sigmoid((behind[j] - si) * steep)
                more = add_reassoc(more, ahead)
                E[j] -= ahead
            excess[i] += more
        total = 0.0
        for i in range(n):
            total += worth[i] * lost(i + 1.0, excess[i])
            worth[i] *= lost_slope(i + 1.0, excess[i])
        terms[q] = total
        if gradient is None:
            continue
        for i in range(n):
            si, wi, pull = S[i], worth[i], 0.0
            behind, W, H = S[i + 1 :], worth[i + 1 :], G[i + 1 :]
            for j in range(behind.size):
                d = (behind[j] - si) * steep
                crossing = (W[j] - wi) * (sigmoid(d) * sigmoid(-d) * steep)
                pull = add_reassoc(pull, crossing)
                H[j] -= crossing
            G[i] += pull
        write(gradient[q], places, G, cotangent[q])
