package io.c2crelay.it.support;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * A DNS server (RFC 1035, UDP only) with answers that can change at any time. Other names do not
 * exist.
 */
public final class NameServer implements AutoCloseable {

  private static final int PORT = 53;
  private static final int HEADER = 12;
  private static final int TYPE_A = 1;
  private static final int RESPONSE_RECURSION = 0x8180;
  private static final int TTL_SECONDS = 3_600;

  /** The ways in which a lookup can fail. */
  public enum Failure {
    /** SERVFAIL: server failure. */
    FAILED(2),
    /** NXDOMAIN: the name does not exist. */
    UNKNOWN(3),
    /** REFUSED: refused by policy. */
    REFUSED(5),
    /** No response. */
    SILENCE(-1);

    private final int code;

    Failure(int code) {
      this.code = code;
    }
  }

  private record Answer(int code, List<String> addresses) {}

  private final DatagramSocket socket;
  private final Map<String, Answer> answers = new ConcurrentHashMap<>();
  private final Queue<String> queries = new ConcurrentLinkedQueue<>();

  private NameServer(DatagramSocket socket) {
    this.socket = socket;
  }

  /** Listens on port 53 of this address: resolver configuration has no port. */
  public static NameServer at(String address) {
    try {
      NameServer server = new NameServer(new DatagramSocket(new InetSocketAddress(address, PORT)));
      Async.start("name-server", server::serve);
      return server;
    } catch (IOException e) {
      throw new UncheckedIOException("cannot listen on " + address, e);
    }
  }

  /** Sets the IPv4 addresses of a name. */
  public NameServer answer(String name, String... addresses) {
    answers.put(name, new Answer(0, List.of(addresses)));
    return this;
  }

  public NameServer answer(String name, Failure failure) {
    answers.put(name, new Answer(failure.code, List.of()));
    return this;
  }

  /** The number of queries for this name. */
  public long queryCount(String name) {
    return queries.stream().filter(name::equals).count();
  }

  private void serve() {
    byte[] buffer = new byte[512];
    while (true) {
      DatagramPacket packet = new DatagramPacket(buffer, buffer.length);
      try {
        socket.receive(packet);
        byte[] reply = reply(ByteBuffer.wrap(buffer, 0, packet.getLength()));
        if (reply != null) {
          socket.send(new DatagramPacket(reply, reply.length, packet.getSocketAddress()));
        }
      } catch (IOException closed) {
        return;
      }
    }
  }

  /** Returns null to send no response. */
  private byte[] reply(ByteBuffer query) throws IOException {
    short id = query.getShort(0);
    query.position(HEADER);
    StringBuilder name = new StringBuilder();
    for (int length = query.get(); length > 0; length = query.get()) {
      byte[] label = new byte[length];
      query.get(label);
      name.append(name.length() == 0 ? "" : ".")
          .append(new String(label, StandardCharsets.US_ASCII).toLowerCase(Locale.ROOT));
    }
    int type = query.getShort();
    query.getShort();
    int questionEnd = query.position();
    queries.add(name.toString());
    Answer answer =
        answers.getOrDefault(name.toString(), new Answer(Failure.UNKNOWN.code, List.of()));
    if (answer.code() == Failure.SILENCE.code) {
      return null;
    }
    List<String> addresses = type == TYPE_A ? answer.addresses() : List.of();
    ByteBuffer reply = ByteBuffer.allocate(512);
    reply.putShort(id).putShort((short) (RESPONSE_RECURSION | answer.code()));
    reply.putShort((short) 1).putShort((short) addresses.size()).putInt(0);
    reply.put(query.slice(HEADER, questionEnd - HEADER));
    for (String address : addresses) {
      reply.putShort((short) (0xC000 | HEADER)).putShort((short) TYPE_A).putShort((short) 1);
      reply.putInt(TTL_SECONDS).putShort((short) 4);
      reply.put(InetAddress.getByName(address).getAddress());
    }
    return Arrays.copyOf(reply.array(), reply.position());
  }

  @Override
  public void close() {
    socket.close();
  }
}
