"""What the two planes say to each other, and nothing more.

Both planes import these modules, which import nothing but each other. Nothing is changed once
it is made; all of it holds plain values and survives a round trip through JSON, so it can travel
by any transport. (``UsageEvent`` alone is not frozen: a constructor that mypyc compiles can't be.)

Control → data go ``entries``, and calls of the ``functions`` that lie in Valkey; back come
``events``, ``tallies`` and ``records`` of decisions. Where things lie is in ``names``. How a
worker is chosen of what is known (``decide``, pure) stands here too, so that the plane that
explains a decision makes it again by the same code.
"""
