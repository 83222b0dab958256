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

/** A TCP proxy to a local port that records all bytes. */
final class RecordingProxy implements AutoCloseable {

  /** The checksums of one connection: {@code up} to the port, {@code down} back. */
  record Transfer(Bulk.Sum up, Bulk.Sum down) {}

  private record Recording(ByteArrayOutputStream up, ByteArrayOutputStream down) {
    Transfer transfer() {
      return new Transfer(Bulk.of(up.toByteArray()), Bulk.of(down.toByteArray()));
    }
  }

  private static final Duration TIMEOUT = Duration.ofMinutes(2);

  private final Target listener;
  private final List<Recording> connections = new CopyOnWriteArrayList<>();

  private RecordingProxy(int port) {
    listener = Target.start(client -> serve(client, port));
  }

  static RecordingProxy to(int port) {
    return new RecordingProxy(port);
  }

  int port() {
    return listener.port();
  }

  /** Returns the checksums so far, by connection. */
  List<Transfer> transfers() {
    return connections.stream().map(Recording::transfer).toList();
  }

  /** Drops the recordings; open connections continue unrecorded. */
  void clear() {
    connections.clear();
  }

  private void serve(TcpEnd client, int port) throws IOException {
    Recording recording = new Recording(new ByteArrayOutputStream(), new ByteArrayOutputStream());
    connections.add(recording);
    try (client;
        TcpEnd server = TcpEnd.connect(port).timeout((int) TIMEOUT.toMillis())) {
      Async<Void> back = Async.run(() -> copy(server, client, recording.down()));
      copy(client, server, recording.up());
      back.get(TIMEOUT);
    }
  }

  private static Void copy(TcpEnd from, TcpEnd to, ByteArrayOutputStream recording)
      throws IOException {
    byte[] buffer = new byte[64 * 1024];
    for (int n = from.in().read(buffer); n >= 0; n = from.in().read(buffer)) {
      recording.write(buffer, 0, n);
      to.out().write(buffer, 0, n);
    }
    to.finish();
    return null;
  }

  @Override
  public void close() throws IOException {
    listener.close();
  }
}
