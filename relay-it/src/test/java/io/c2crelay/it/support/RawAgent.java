package io.c2crelay.it.support;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.util.Arrays;

/** An agent implemented from docs/protocol.md alone and driven step by step by the test. */
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
    return new RawAgent(relay.address(), Wire.deriveKey(key));
  }

  public static RawAgent of(InetSocketAddress relay, String key) {
    return new RawAgent(relay, Wire.deriveKey(key));
  }

  /**
   * The content of START: session id, user's address, and the relay's address that the user
   * connected to.
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
              throw new AssertionError("IPv4 address without padding: " + Arrays.toString(bytes));
            }
            return new InetSocketAddress(InetAddress.getByAddress(Arrays.copyOf(bytes, 4)), port);
          case 6:
            return new InetSocketAddress(InetAddress.getByAddress(bytes), port);
          default:
            throw new AssertionError("unknown address family " + family);
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

  /** The AUTH payload before the proof, with the next epoch. */
  public byte[] claim() {
    return RawControl.claim(instance, ++epoch, "raw");
  }

  /** As {@link #claim()}, with this epoch. */
  public byte[] claim(long ofEpoch) {
    return RawControl.claim(instance, ofEpoch, "raw");
  }

  /** Opens a control connection: TCP, preamble and TLS. */
  public RawControl openControl() {
    return openControl(Wire.preamble(Wire.KIND_CONTROL));
  }

  public RawControl openControl(byte[] preamble) {
    return new RawControl(RawConnection.open(relay, preamble), key);
  }

  /** Opens a control connection and authenticates. */
  public RawControl attach() {
    return openControl().readChallenge().sendAuth(claim()).readWelcome();
  }

  /** Opens a data connection: TCP, preamble and TLS. */
  public RawConnection openData() {
    return RawConnection.open(relay, Wire.preamble(Wire.KIND_DATA));
  }

  /** Opens a data connection and sends the token. */
  public RawConnection sendToken(byte[] token) {
    return openData().send(Wire.CLAIM, token);
  }

  /** Opens a data connection, sends the token and checks the ack of READY. */
  public RawConnection warm(RawControl.Dial dial) {
    RawConnection data = sendToken(dial.token());
    byte[] ack = data.expect(Wire.READY).payload();
    if (!Arrays.equals(ack, dial.ack())) {
      throw new AssertionError("unexpected ack from the relay");
    }
    return data;
  }

  /** As {@link #warm(RawControl.Dial)}, with the next token of this control connection. */
  public RawConnection warm(RawControl control) {
    return warm(control.nextDial());
  }
}
