package io.c2crelay.it.support;

import java.io.EOFException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A relay for one agent, without users, implemented from docs/protocol.md alone and driven step by
 * step by the test.
 */
public final class RawRelay implements AutoCloseable {

  private static final int TIMEOUT_MILLIS = 20_000;

  private final ServerSocket server;
  private final byte[] key;
  private final RawIdentity identity = RawIdentity.create();
  private final List<Socket> sockets = new ArrayList<>();

  private RawRelay(ServerSocket server, byte[] key) {
    this.server = server;
    this.key = key;
  }

  public static RawRelay start(String key) {
    try {
      ServerSocket server = new ServerSocket(0, 100, InetAddress.getLoopbackAddress());
      server.setSoTimeout(TIMEOUT_MILLIS);
      return new RawRelay(server, Wire.deriveKey(key));
    } catch (IOException e) {
      throw new AssertionError("cannot listen", e);
    }
  }

  public int port() {
    return server.getLocalPort();
  }

  public RawIdentity identity() {
    return identity;
  }

  /** An accepted connection whose preamble has been read. */
  public static final class Incoming {
    private final Socket socket;
    private final byte[] preamble;

    private Incoming(Socket socket, byte[] preamble) {
      this.socket = socket;
      this.preamble = preamble;
    }

    public Socket socket() {
      return socket;
    }

    public byte[] preamble() {
      return preamble.clone();
    }

    public int kind() {
      return preamble[10];
    }

    /** Performs the TLS handshake with this certificate. */
    public RawConnection tls(RawIdentity certificate) {
      try {
        return RawConnection.accept(socket, preamble, certificate);
      } catch (IOException e) {
        throw new AssertionError("TLS handshake with the agent failed: " + e, e);
      }
    }
  }

  /** The content of an AUTH frame. */
  public record Auth(
      long epoch,
      String service,
      String label,
      Map<Integer, byte[]> fields,
      byte[] proof,
      boolean proofValid) {}

  /** Accepts the next connection and reads its preamble. */
  public Incoming accept() {
    try {
      Socket socket = server.accept();
      synchronized (sockets) {
        sockets.add(socket);
      }
      socket.setTcpNoDelay(true);
      socket.setSoTimeout(TIMEOUT_MILLIS);
      byte[] preamble = socket.getInputStream().readNBytes(16);
      if (preamble.length < 16) {
        throw new EOFException("FIN within the preamble");
      }
      if (!Arrays.equals(Arrays.copyOf(preamble, 8), Wire.magic())) {
        throw new AssertionError("no magic in " + Arrays.toString(preamble));
      }
      return new Incoming(socket, preamble);
    } catch (IOException e) {
      throw new AssertionError("the agent did not connect: " + e, e);
    }
  }

  /** Accepts the next connection, which must be of this kind, and performs the TLS handshake. */
  public RawConnection accept(int kind) {
    Incoming incoming = accept();
    if (incoming.kind() != kind) {
      throw new AssertionError(
          "expected a connection of kind " + kind + ", got kind " + incoming.kind());
    }
    return incoming.tls(identity);
  }

  /** The handshake of docs/protocol.md, section 3, on one control connection, step by step. */
  public final class Handshake {
    private final RawConnection connection;
    private final byte[] challenge;
    private byte[] transcript = new byte[0];

    private Handshake(RawConnection connection) {
      this.connection = connection;
      this.challenge = Wire.concat(new byte[] {1}, Wire.random(32));
      connection.send(Wire.CHALLENGE, challenge);
    }

    public RawConnection connection() {
      return connection;
    }

    public Auth readAuth() {
      byte[] auth = connection.expect(Wire.AUTH).payload();
      ByteBuffer payload = ByteBuffer.wrap(auth).position(32 + 16); // after nonce and instance
      long epoch = payload.getLong();
      byte[] service = new byte[payload.get() & 0xFF];
      payload.get(service);
      byte[] label = new byte[payload.get() & 0xFF];
      payload.get(label);
      Map<Integer, byte[]> fields = new HashMap<>();
      while (payload.remaining() > 32) {
        int type = payload.get() & 0xFF;
        byte[] value = new byte[payload.get() & 0xFF];
        payload.get(value);
        fields.put(type, value);
      }
      byte[] proof = new byte[32];
      payload.get(proof);
      byte[] claim = Arrays.copyOf(auth, auth.length - 32);
      transcript =
          Wire.transcript(connection.preamble(), connection.channelBinding(), challenge, claim);
      boolean proofValid = MessageDigest.isEqual(proof, Wire.proofOfAgent(key, transcript));
      String text = new String(label, StandardCharsets.UTF_8);
      String name = new String(service, StandardCharsets.US_ASCII);
      return new Auth(epoch, name, text, fields, proof, proofValid);
    }

    /** The digest of a target with this relay's key. */
    public byte[] digestOfTarget(String target) {
      return Wire.digestOfTarget(key, target);
    }

    /** The valid proof for this data mode. */
    public byte[] proof(int dataMode) {
      return Wire.proofOfRelay(key, transcript, new byte[] {(byte) dataMode});
    }

    public RawConnection sendWelcome(byte[] proof, int dataMode) {
      return connection.send(Wire.WELCOME, proof, new byte[] {(byte) dataMode});
    }
  }

  public Handshake handshake(RawConnection control) {
    return new Handshake(control);
  }

  /**
   * Accepts the agent's control connection and completes the handshake; fails unless the agent's
   * proof is valid.
   */
  public RawConnection attach() {
    Handshake handshake = handshake(accept(Wire.KIND_CONTROL));
    if (!handshake.readAuth().proofValid()) {
      throw new AssertionError("invalid proof from the agent");
    }
    return handshake.sendWelcome(handshake.proof(0), 0);
  }

  /** Sends DIAL with one token, accepts the data connection, checks the token and answers READY. */
  public RawConnection warm(RawConnection control) {
    byte[] token = Wire.random(16);
    byte[] ack = Wire.random(16);
    control.send(Wire.DIAL, token, ack);
    RawConnection data = accept(Wire.KIND_DATA);
    if (!Arrays.equals(token, data.expect(Wire.CLAIM).payload())) {
      throw new AssertionError("unexpected token from the agent");
    }
    return data.send(Wire.READY, ack);
  }

  @Override
  public void close() throws IOException {
    server.close();
    synchronized (sockets) {
      for (Socket socket : sockets) {
        socket.close();
      }
    }
  }
}
