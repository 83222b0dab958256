package io.c2crelay.it.support;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketException;

/** A user of a session that is a {@link Sequence} each way, at an address of its own. */
public final class TalkingUser implements AutoCloseable {

  private static final int ADDRESSES = 200;
  private static final int TIMEOUT_MILLIS = 30_000;

  private final TcpEnd end;
  private final Sequence toTarget;
  private final Sequence toUser;

  private TalkingUser(TcpEnd end, Sequence toTarget, Sequence toUser) {
    this.end = end;
    this.toTarget = toTarget;
    this.toUser = toUser;
  }

  public static TalkingUser connect(InetSocketAddress relay, int session) {
    return new TalkingUser(
        connectFrom(relay, session), Sequence.toTarget(session), Sequence.toUser(session));
  }

  /** One who says nothing until the target has begun, and told the session. */
  public static TalkingUser listening(InetSocketAddress relay, int number) throws IOException {
    TcpEnd end = connectFrom(relay, number);
    try {
      Sequence toUser = Sequence.toUser(end.in());
      return new TalkingUser(end, Sequence.toTarget(toUser.session()), toUser);
    } catch (IOException | AssertionError e) {
      end.close();
      throw e;
    }
  }

  /** One address has too few ports for thousands of sessions in a minute. */
  private static TcpEnd connectFrom(InetSocketAddress relay, int number) {
    return TcpEnd.connectFrom("127.0.0." + (1 + number % ADDRESSES), relay).timeout(TIMEOUT_MILLIS);
  }

  /** See {@link TcpEnd#small}. */
  public TalkingUser small() {
    end.small();
    return this;
  }

  public int session() {
    return toTarget.session();
  }

  /** How many bytes so far. */
  public long sent() {
    return toTarget.position();
  }

  /** How many bytes so far, all of them right. */
  public long received() {
    return toUser.position();
  }

  public void send(long length) throws IOException {
    toTarget.write(end.out(), length);
  }

  public void receive(long length) throws IOException {
    toUser.read(end.in(), length);
  }

  /**
   * Reads all that comes until FIN.
   *
   * @throws SocketException at a reset
   */
  public void receiveToFin() throws IOException {
    toUser.readToFin(end.in(), n -> {});
  }

  public Ending receiveToEnd() throws IOException {
    return toUser.readToEnd(end.in());
  }

  public void sendFin() throws IOException {
    end.socket().shutdownOutput();
  }

  /** {@link #sendFin}, then {@link #receiveToFin}. */
  public void finish() throws IOException {
    sendFin();
    receiveToFin();
  }

  /** RST. */
  public void reset() {
    end.reset();
  }

  @Override
  public void close() {
    end.close();
  }

  @Override
  public String toString() {
    return end + ", " + toTarget + ", " + toUser;
  }
}
