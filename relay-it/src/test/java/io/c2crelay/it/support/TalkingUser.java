package io.c2crelay.it.support;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketException;

/** A user whose session carries a {@link Sequence} in each direction. */
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
    return of(connectFrom(relay, session), session);
  }

  public static TalkingUser of(TcpEnd end, int session) {
    return new TalkingUser(end, Sequence.toTarget(session), Sequence.toUser(session));
  }

  /** A user that sends nothing before the first bytes of the target identify the session. */
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

  /**
   * Spreads users over loopback addresses: one has too few ports for thousands of sessions a
   * minute.
   */
  private static TcpEnd connectFrom(InetSocketAddress relay, int number) {
    return TcpEnd.connectFrom("127.0.0." + (1 + number % ADDRESSES), relay).timeout(TIMEOUT_MILLIS);
  }

  /** See {@link TcpEnd#withSmallBuffers}. */
  public TalkingUser withSmallBuffers() {
    end.withSmallBuffers();
    return this;
  }

  public int session() {
    return toTarget.session();
  }

  /** The number of bytes received and verified. */
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
   * Reads until FIN and verifies every byte.
   *
   * @throws SocketException on a reset
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

  /** Sends RST. */
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
