"""How right contacts' words are read (``deploy/classify.yaml``), on utterances labelled before the lists were read.

``said.txt``, ``told.txt``, ``called.txt``, ``posted.txt``, ``phoned.txt`` and ``wrote.txt`` are of six authors. Each
was written from what people say on a hotline, without reading the lists or the others; where the product decides
otherwise on purpose (docs/routing.md, "Danger"), the label follows it or is left open. A digest of each utterance puts
it into one of two halves. What is misread of half A may be looked at when the lists are mended; of half B only figures
are shown, and no word may be added because of one of its utterances. So the figures of half B are the honest ones.
"""
