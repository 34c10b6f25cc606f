"""Storms with other habits than the simulator's, and how right the merging is on them.

Everything about the storms (words, addresses, the mix of what callers say, faults, clocks, crews, the conversion of
positions) was written without reading ``services.simulator`` and imports neither it nor any other part of the product.
That independence is the point: rules that only fit our own simulator show here. Keep it so: whoever changes a storm
here should not look there. The product is only called: ``gridline replay`` and ``gridline score``.

One storm, in the order in which it is drawn: ``network`` (copies of one feeder), ``customers`` (who lives there and at
which address), ``faults`` (what fails and when it is repaired), ``reports`` (who says what of it, by ``saying`` and
``phrases``), ``restorations`` (what crews tell). ``files`` writes it as docs/storm-files.md has it.
"""
