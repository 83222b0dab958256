package io.c2crelay.common.bridge;

import java.util.List;

/** One direction of a session: its backpressure, and whether its input and output have ended. */
final class Direction {
  final Leg source;
  final Leg sink;
  final Backpressure flow;

  /** The end of input was read from the source: FIN or EOF. */
  boolean inputEnded;

  /** The end was written to the sink: FIN sent, or EOF handed to the kernel. */
  boolean outputEnded;

  Direction(Leg source, Leg sink, BufferBudget budget, List<RateLimit> rates) {
    this.source = source;
    this.sink = sink;
    flow = new Backpressure(source.channel, sink.channel, budget, rates, sink::writeFailed);
  }
}
