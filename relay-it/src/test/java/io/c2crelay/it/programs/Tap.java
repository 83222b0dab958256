package io.c2crelay.it.programs;

import io.c2crelay.it.support.Async;
import io.c2crelay.it.support.Bulk;
import io.c2crelay.it.support.Target;
import io.c2crelay.it.support.TcpEnd;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** On the way to a port of this host: passes everything on, and remembers it. */
final class Tap implements AutoCloseable {

  /** On one connection: to the port, and back. */
  record Passed(Bulk.Sum up, Bulk.Sum down) {}

  private record Memory(ByteArrayOutputStream up, ByteArrayOutputStream down) {
    Passed passed() {
      return new Passed(Bulk.of(up.toByteArray()), Bulk.of(down.toByteArray()));
    }
  }

  private static final Duration IDLE = Duration.ofMinutes(2);

  private final Target front;
  private final List<Memory> connections = new CopyOnWriteArrayList<>();

  private Tap(int port) {
    front = Target.start(near -> serve(near, port));
  }

  static Tap before(int port) {
    return new Tap(port);
  }

  int port() {
    return front.port();
  }

  /** What has passed on each connection by now. */
  List<Passed> passed() {
    return connections.stream().map(Memory::passed).toList();
  }

  /** Connections until now are passed on still, but not remembered. */
  void forget() {
    connections.clear();
  }

  private void serve(TcpEnd near, int port) throws IOException {
    Memory memory = new Memory(new ByteArrayOutputStream(), new ByteArrayOutputStream());
    connections.add(memory);
    try (near;
        TcpEnd far = TcpEnd.connect(port).timeout((int) IDLE.toMillis())) {
      Async<Void> back = Async.run(() -> pass(far, near, memory.down()));
      pass(near, far, memory.up());
      back.get(IDLE);
    }
  }

  private static Void pass(TcpEnd from, TcpEnd to, ByteArrayOutputStream memory)
      throws IOException {
    byte[] buffer = new byte[64 * 1024];
    for (int n = from.in().read(buffer); n >= 0; n = from.in().read(buffer)) {
      memory.write(buffer, 0, n);
      to.out().write(buffer, 0, n);
    }
    to.finish();
    return null;
  }

  @Override
  public void close() throws IOException {
    front.close();
  }
}
