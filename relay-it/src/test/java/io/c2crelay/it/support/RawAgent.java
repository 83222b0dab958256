package io.c2crelay.it.support;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * An agent made from the protocol's document alone: it attaches, dials, and is given users, with
 * every step in the test's hand.
 */
public final class RawAgent {

  private final InetSocketAddress relay;
  private final byte[] key;
  private final byte[] instance = Wire.random(16);
  private long epoch;

  private RawAgent(InetSocketAddress relay, byte[] key) {
    this.relay = relay;
    this.key = key;
  }

  public static RawAgent of(RelayProcess relay, String key) {
    return new RawAgent(relay.address(), Wire.stretch(key));
  }

  public static RawAgent of(InetSocketAddress relay, String key) {
    return new RawAgent(relay, Wire.stretch(key));
  }

  /**
   * What START says: the session's id, the user's address, and the address that the user connected
   * to.
   */
  public record Start(long id, InetSocketAddress user, InetSocketAddress local) {

    public static Start parse(RawFrame frame) {
      if (frame.type() != Wire.START || frame.payload().length != 8 + 2 * 19) {
        throw new AssertionError("not a START: " + frame);
      }
      ByteBuffer payload = ByteBuffer.wrap(frame.payload());
      return new Start(payload.getLong(), address(payload), address(payload));
    }

    public byte[] payload() {
      ByteBuffer payload = ByteBuffer.allocate(8 + 2 * 19).putLong(id);
      put(payload, user);
      put(payload, local);
      return payload.array();
    }

    private static void put(ByteBuffer payload, InetSocketAddress address) {
      byte[] bytes = address.getAddress().getAddress();
      payload
          .put((byte) (bytes.length == 4 ? 4 : 6))
          .put(Arrays.copyOf(bytes, 16))
          .putShort((short) address.getPort());
    }

    private static InetSocketAddress address(ByteBuffer payload) {
      int family = payload.get();
      byte[] bytes = new byte[16];
      payload.get(bytes);
      int port = payload.getShort() & 0xFFFF;
      try {
        switch (family) {
          case 4:
            if (!Arrays.equals(Arrays.copyOfRange(bytes, 4, 16), new byte[12])) {
              throw new AssertionError(
                  "an IPv4 address is not filled up with zeros: " + Arrays.toString(bytes));
            }
            return new InetSocketAddress(InetAddress.getByAddress(Arrays.copyOf(bytes, 4)), port);
          case 6:
            return new InetSocketAddress(InetAddress.getByAddress(bytes), port);
          default:
            throw new AssertionError("address family " + family);
        }
      } catch (UnknownHostException e) {
        throw new AssertionError(e);
      }
    }
  }

  public byte[] instance() {
    return instance.clone();
  }

  public long epoch() {
    return epoch;
  }

  /** An AUTH payload without its proof, of this instance and its next epoch. */
  public byte[] claim() {
    return RawControl.claim(instance, ++epoch, "raw");
  }

  /** As {@link #claim()}, of an epoch of the caller's choice. */
  public byte[] claim(long ofEpoch) {
    return RawControl.claim(instance, ofEpoch, "raw");
  }

  /** Connected, TLS done, nothing said yet. */
  public RawControl openControl() {
    return openControl(Wire.preamble(Wire.KIND_CONTROL));
  }

  public RawControl openControl(byte[] preamble) {
    return new RawControl(RawConnection.open(relay, preamble), key);
  }

  /** Attached. */
  public RawControl attach() {
    return openControl().readChallenge().sendAuth(claim()).readWelcome();
  }

  /** A data connection of which nothing but preamble and TLS is done. */
  public RawConnection openData() {
    return RawConnection.open(relay, Wire.preamble(Wire.KIND_DATA));
  }

  /** A data connection on which the token is sent; the answer has not been read. */
  public RawConnection sendToken(byte[] token) {
    return openData().send(Wire.TOKEN, token);
  }

  /** A warm connection: the token was accepted, the acknowledgement is right. */
  public RawConnection warm(RawControl.Dial dial) {
    RawConnection data = sendToken(dial.token());
    byte[] ack = data.expect(Wire.READY).payload();
    if (!Arrays.equals(ack, dial.ack())) {
      throw new AssertionError("the relay's ack is not the one of this token");
    }
    return data;
  }

  /** The next token of this control connection, made a warm connection. */
  public RawConnection warm(RawControl control) {
    return warm(control.nextDial());
  }
}
