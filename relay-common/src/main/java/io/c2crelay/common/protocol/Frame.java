package io.c2crelay.common.protocol;

import static java.util.Objects.requireNonNull;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.DefaultByteBufHolder;
import io.netty.buffer.Unpooled;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A frame of docs/protocol.md section 4. Immutable. Only {@link Data} is reference-counted. {@code
 * toString} prints the type and reason, never a secret.
 */
public interface Frame {
  FrameType type();

  /** The payload length in bytes. */
  int payloadLength();

  /** Writes the payload, {@link #payloadLength()} bytes. */
  void writePayload(ByteBuf out);

  /** The first frame on a control connection: the protocol version in use and the relay's nonce. */
  final class Challenge extends Base {
    /** Length of a nonce in bytes. */
    public static final int NONCE_LENGTH = 32;

    private final int version;
    private final byte[] nonce;

    private Challenge(int version, byte[] nonce) {
      super(FrameType.CHALLENGE);
      this.version = version;
      this.nonce = nonce;
    }

    /** Creates a challenge; {@code nonce} has {@link #NONCE_LENGTH} bytes. */
    public static Challenge of(int version, byte[] nonce) {
      return new Challenge(version, nonce.clone());
    }

    static Challenge read(ByteBuf in) {
      return new Challenge(in.readUnsignedByte(), readBytes(in, NONCE_LENGTH));
    }

    /** The lower of the highest versions that the two ends support. */
    public int version() {
      return version;
    }

    @Override
    public int payloadLength() {
      return 1 + NONCE_LENGTH;
    }

    @Override
    public void writePayload(ByteBuf out) {
      out.writeByte(version).writeBytes(nonce);
    }
  }

  /** The agent's answer to CHALLENGE: its identity and its proof that it has the key. */
  final class Auth extends Base {
    private static final int TARGET_DIGEST = 1;
    private static final int PROGRAM_VERSION = 2;
    private static final int MAX_VERSION_LENGTH = 64;
    private static final int PROOF_LENGTH = 32;

    private final byte[] nonce;
    private final InstanceId instance;
    private final long epoch;
    private final ServiceName service;
    private final byte[] label;
    private final byte[] fields;
    private final byte[] proof;

    private Auth(
        byte[] nonce,
        InstanceId instance,
        long epoch,
        ServiceName service,
        byte[] label,
        byte[] fields,
        byte[] proof) {
      super(FrameType.AUTH);
      this.nonce = nonce;
      this.instance = instance;
      this.epoch = epoch;
      this.service = service;
      this.label = label;
      this.fields = fields;
      this.proof = proof;
    }

    /**
     * Creates an AUTH with a zero proof; {@link #withProof} completes it.
     *
     * @param label at most {@link RelayProtocol#MAX_LABEL_LENGTH} bytes of UTF-8
     * @throws IllegalArgumentException if the label is longer
     */
    public static Auth of(
        byte[] nonce, InstanceId instance, long epoch, ServiceName service, String label) {
      byte[] utf8 = label.getBytes(StandardCharsets.UTF_8);
      if (utf8.length > RelayProtocol.MAX_LABEL_LENGTH) {
        throw new IllegalArgumentException("label too long");
      }
      return new Auth(
          nonce.clone(),
          requireNonNull(instance, "instance"),
          epoch,
          requireNonNull(service, "service"),
          utf8,
          new byte[0],
          new byte[32]);
    }

    /** Returns a copy with the digest of the agent's target, 1 to 255 bytes. */
    public Auth withTargetDigest(byte[] digest) {
      return withField(TARGET_DIGEST, digest);
    }

    /** Returns a copy with the version of the agent's program; a long version is truncated. */
    public Auth withProgramVersion(String version) {
      byte[] utf8 = version.getBytes(StandardCharsets.UTF_8);
      return withField(
          PROGRAM_VERSION, Arrays.copyOf(utf8, Math.min(utf8.length, MAX_VERSION_LENGTH)));
    }

    private Auth withField(int type, byte[] value) {
      ByteBuf all = Unpooled.buffer(fields.length + 2 + value.length);
      all.writeBytes(fields).writeByte(type).writeByte(value.length).writeBytes(value);
      return new Auth(nonce, instance, epoch, service, label, all.array(), proof);
    }

    /** Returns a copy with the agent's proof, 32 bytes. */
    public Auth withProof(byte[] newProof) {
      return new Auth(nonce, instance, epoch, service, label, fields, newProof.clone());
    }

    static Auth read(ByteBuf in) {
      byte[] nonce = readBytes(in, Challenge.NONCE_LENGTH);
      InstanceId instance = InstanceId.read(in);
      long epoch = in.readLong();
      ServiceName service = ServiceName.read(in);
      int labelLength = in.isReadable() ? in.readUnsignedByte() : 0;
      int fieldsLength = in.readableBytes() - labelLength - PROOF_LENGTH;
      if (labelLength > RelayProtocol.MAX_LABEL_LENGTH
          || fieldsLength < 0
          || fieldsLength > RelayProtocol.MAX_AUTH_FIELDS) {
        throw new ProtocolException("AUTH: invalid length");
      }
      byte[] label = readBytes(in, labelLength);
      byte[] fields = readBytes(in, fieldsLength);
      byte[] proof = readBytes(in, PROOF_LENGTH);
      Auth auth = new Auth(nonce, instance, epoch, service, label, fields, proof);
      auth.field(TARGET_DIGEST); // validates all fields
      return auth;
    }

    /** Returns the value of the last field of a type; null if there is none. */
    private byte @Nullable [] field(int type) {
      byte[] found = null;
      ByteBuf in = Unpooled.wrappedBuffer(fields);
      while (in.isReadable()) {
        int fieldType = in.readUnsignedByte();
        if (!in.isReadable() || in.readableBytes() - 1 < in.getUnsignedByte(in.readerIndex())) {
          throw new ProtocolException("AUTH: a field exceeds the payload");
        }
        byte[] value = readBytes(in, in.readUnsignedByte());
        if (fieldType == type) {
          found = value;
        }
      }
      return found;
    }

    /** Identifies the agent process. */
    public InstanceId instance() {
      return instance;
    }

    /** Counts the control connection attempts of the agent process from 1; unsigned. */
    public long epoch() {
      return epoch;
    }

    /** The service that the agent offers. */
    public ServiceName service() {
      return service;
    }

    /** The agent's label: untrusted text, for logs only. */
    public String label() {
      return new String(label, StandardCharsets.UTF_8);
    }

    /** The digest of the agent's target; null if the agent did not send one. */
    public byte @Nullable [] targetDigest() {
      return field(TARGET_DIGEST);
    }

    /** The version of the agent's program: untrusted text, empty if the agent did not send it. */
    public String programVersion() {
      byte[] version = field(PROGRAM_VERSION);
      return version == null
          ? ""
          : new String(
              version, 0, Math.min(version.length, MAX_VERSION_LENGTH), StandardCharsets.UTF_8);
    }

    /** The agent's proof, 32 bytes. */
    public byte[] proof() {
      return proof.clone();
    }

    @Override
    public int payloadLength() {
      return lengthBeforeProof() + proof.length;
    }

    /** The payload length in bytes without the proof. */
    public int lengthBeforeProof() {
      return nonce.length
          + InstanceId.LENGTH
          + Long.BYTES
          + service.encodedLength()
          + 1
          + label.length
          + fields.length;
    }

    @Override
    public void writePayload(ByteBuf out) {
      out.writeBytes(nonce);
      instance.write(out);
      out.writeLong(epoch);
      service.write(out);
      out.writeByte(label.length).writeBytes(label);
      out.writeBytes(fields).writeBytes(proof);
    }
  }

  /** The relay's proof and the mode of data connections. */
  final class Welcome extends Base {
    /** Data connections use TLS: the only mode that this build supports. */
    public static final int DATA_UNDER_TLS = 0;

    private final byte[] proof;
    private final int dataMode;

    private Welcome(byte[] proof, int dataMode) {
      super(FrameType.WELCOME);
      this.proof = proof;
      this.dataMode = dataMode;
    }

    /** Creates a welcome; {@code proof} has 32 bytes. */
    public static Welcome of(byte[] proof, int dataMode) {
      return new Welcome(proof.clone(), dataMode);
    }

    static Welcome read(ByteBuf in) {
      return new Welcome(readBytes(in, 32), in.readUnsignedByte());
    }

    /** The relay's proof, 32 bytes. */
    public byte[] proof() {
      return proof.clone();
    }

    /** {@link #DATA_UNDER_TLS}, or a mode that this build does not support. */
    public int dataMode() {
      return dataMode;
    }

    @Override
    public int payloadLength() {
      return proof.length + 1;
    }

    @Override
    public void writePayload(ByteBuf out) {
      out.writeBytes(proof).writeByte(dataMode);
    }
  }

  /** Requests data connections from the agent, one for each {@link DialRequest}. */
  final class Dial extends Base {
    /** Length of an ack in bytes. */
    public static final int ACK_LENGTH = Token.LENGTH;

    /** One data connection to open: the token for CLAIM and the ack for READY. */
    public static final class DialRequest {
      private final Token token;
      private final Token ack;

      private DialRequest(Token token, Token ack) {
        this.token = token;
        this.ack = ack;
      }

      public static DialRequest of(Token token, Token ack) {
        return new DialRequest(requireNonNull(token, "token"), requireNonNull(ack, "ack"));
      }

      /** The token that the agent sends in CLAIM. */
      public Token token() {
        return token;
      }

      /** The ack that the relay sends in READY. */
      public Token ack() {
        return ack;
      }
    }

    private final List<DialRequest> dialRequests;

    private Dial(List<DialRequest> dialRequests) {
      super(FrameType.DIAL);
      this.dialRequests = Collections.unmodifiableList(dialRequests);
    }

    /** Creates a DIAL of 1 to {@link RelayProtocol#MAX_DIALS_PER_FRAME} requests. */
    public static Dial of(List<DialRequest> dialRequests) {
      return new Dial(new ArrayList<>(dialRequests));
    }

    static Dial read(ByteBuf in) {
      if (in.readableBytes() % (Token.LENGTH + ACK_LENGTH) != 0) {
        throw new ProtocolException("DIAL: incomplete dial request");
      }
      List<DialRequest> dialRequests = new ArrayList<>();
      while (in.isReadable()) {
        dialRequests.add(new DialRequest(Token.read(in), Token.read(in)));
      }
      return new Dial(dialRequests);
    }

    public List<DialRequest> dialRequests() {
      return dialRequests;
    }

    @Override
    public int payloadLength() {
      return dialRequests.size() * (Token.LENGTH + ACK_LENGTH);
    }

    @Override
    public void writePayload(ByteBuf out) {
      for (DialRequest dialRequest : dialRequests) {
        dialRequest.token.write(out);
        dialRequest.ack.write(out);
      }
    }
  }

  /** The agent could not open a requested data connection. */
  final class DialFailed extends Base {
    private final Token token;
    private final ReasonCode reason;

    private DialFailed(Token token, ReasonCode reason) {
      super(FrameType.DIAL_FAILED);
      this.token = token;
      this.reason = reason;
    }

    public static DialFailed of(Token token, ReasonCode reason) {
      return new DialFailed(requireNonNull(token, "token"), requireNonNull(reason, "reason"));
    }

    static DialFailed read(ByteBuf in) {
      return new DialFailed(Token.read(in), ReasonCode.of(in.readUnsignedByte()));
    }

    /** The token of the {@link Dial.DialRequest}. */
    public Token token() {
      return token;
    }

    public ReasonCode reason() {
      return reason;
    }

    @Override
    public int payloadLength() {
      return Token.LENGTH + 1;
    }

    @Override
    public void writePayload(ByteBuf out) {
      token.write(out);
      out.writeByte(reason.code());
    }
  }

  /**
   * A liveness check. The peer echoes {@code value} in a PONG where docs/protocol.md requires one.
   */
  final class Ping extends NumberFrame {
    private Ping(long value) {
      super(FrameType.PING, value);
    }

    public static Ping of(long value) {
      return new Ping(value);
    }
  }

  /** The answer to PING, with the same value. */
  final class Pong extends NumberFrame {
    private Pong(long value) {
      super(FrameType.PONG, value);
    }

    public static Pong of(long value) {
      return new Pong(value);
    }
  }

  /** The sender takes no more sessions on this control connection. */
  final class GoAway extends ReasonFrame {
    private GoAway(ReasonCode reason) {
      super(FrameType.GOAWAY, reason);
    }

    public static GoAway of(ReasonCode reason) {
      return new GoAway(reason);
    }
  }

  /** The first frame on a data connection: the token that authorises it. */
  final class Claim extends TokenFrame {
    private Claim(Token token) {
      super(FrameType.CLAIM, token);
    }

    public static Claim of(Token token) {
      return new Claim(token);
    }
  }

  /** The relay accepted the token; {@code secret} is the ack of its {@link Dial.DialRequest}. */
  final class Ready extends TokenFrame {
    private Ready(Token ack) {
      super(FrameType.READY, ack);
    }

    public static Ready of(Token ack) {
      return new Ready(ack);
    }
  }

  /** Assigns a user to this data connection: the agent dials the target. */
  final class Start extends Base {
    private static final int LENGTH = Long.BYTES + 2 * Endpoint.LENGTH;

    private final long sessionId;
    private final InetSocketAddress user;
    private final InetSocketAddress connectedTo;

    private Start(long sessionId, InetSocketAddress user, InetSocketAddress connectedTo) {
      super(FrameType.START);
      this.sessionId = sessionId;
      this.user = user;
      this.connectedTo = connectedTo;
    }

    /** Creates a START; both addresses are resolved. */
    public static Start of(long sessionId, InetSocketAddress user, InetSocketAddress connectedTo) {
      return new Start(
          sessionId, requireNonNull(user, "user"), requireNonNull(connectedTo, "connectedTo"));
    }

    static Start read(ByteBuf in) {
      return new Start(in.readLong(), Endpoint.read(in), Endpoint.read(in));
    }

    /** The session id, assigned by the relay. */
    public long sessionId() {
      return sessionId;
    }

    /** The user's address. */
    public InetSocketAddress user() {
      return user;
    }

    /** The relay's address that the user connected to. */
    public InetSocketAddress connectedTo() {
      return connectedTo;
    }

    @Override
    public int payloadLength() {
      return LENGTH;
    }

    @Override
    public void writePayload(ByteBuf out) {
      out.writeLong(sessionId);
      Endpoint.write(out, user);
      Endpoint.write(out, connectedTo);
    }
  }

  /** The target is connected. */
  final class Started extends Base {
    public static final Started INSTANCE = new Started();

    private Started() {
      super(FrameType.STARTED);
    }
  }

  /** The agent did not start the session, for the given reason, and closes the connection. */
  final class Failed extends ReasonFrame {
    private Failed(ReasonCode reason) {
      super(FrameType.FAILED, reason);
    }

    public static Failed of(ReasonCode reason) {
      return new Failed(reason);
    }
  }

  /** Session bytes. Reference-counted. */
  final class Data extends DefaultByteBufHolder implements Frame {
    private Data(ByteBuf bytes) {
      super(bytes);
    }

    /** Takes ownership of {@code bytes}, at most {@link RelayProtocol#MAX_DATA_PAYLOAD}. */
    public static Data of(ByteBuf bytes) {
      return new Data(bytes);
    }

    @Override
    public Data replace(ByteBuf content) {
      return new Data(content);
    }

    @Override
    public FrameType type() {
      return FrameType.DATA;
    }

    @Override
    public int payloadLength() {
      return content().readableBytes();
    }

    @Override
    public void writePayload(ByteBuf out) {
      out.writeBytes(content(), content().readerIndex(), content().readableBytes());
    }

    @Override
    public String toString() {
      return "DATA"; // content() may be released
    }
  }

  /** The sender has finished this direction, as a FIN does in TCP. */
  final class Eof extends Base {
    public static final Eof INSTANCE = new Eof();

    private Eof() {
      super(FrameType.EOF);
    }
  }

  /**
   * The sender has delivered all bytes of a session that ended gracefully, and closed its raw leg:
   * the last frame of the session in its direction.
   */
  final class Done extends NumberFrame {
    private Done(long sessionId) {
      super(FrameType.DONE, sessionId);
    }

    /** A DONE with the session id of START. */
    public static Done of(long sessionId) {
      return new Done(sessionId);
    }
  }

  /** The session is aborted. */
  final class Reset extends ReasonFrame {
    private Reset(ReasonCode reason) {
      super(FrameType.RESET, reason);
    }

    public static Reset of(ReasonCode reason) {
      return new Reset(reason);
    }
  }

  /** The base of all frames except DATA. */
  abstract class Base implements Frame {
    private final FrameType type;

    Base(FrameType type) {
      this.type = type;
    }

    @Override
    public final FrameType type() {
      return type;
    }

    @Override
    public int payloadLength() {
      return 0;
    }

    @Override
    public void writePayload(ByteBuf out) {}

    @Override
    public String toString() {
      return type.name();
    }

    static byte[] readBytes(ByteBuf in, int length) {
      byte[] bytes = new byte[length];
      in.readBytes(bytes);
      return bytes;
    }
  }

  /** A frame with a payload of one u64. */
  abstract class NumberFrame extends Base {
    private final long value;

    NumberFrame(FrameType type, long value) {
      super(type);
      this.value = value;
    }

    public final long value() {
      return value;
    }

    @Override
    public final int payloadLength() {
      return Long.BYTES;
    }

    @Override
    public final void writePayload(ByteBuf out) {
      out.writeLong(value);
    }
  }

  /** A frame with a payload of one reason code. */
  abstract class ReasonFrame extends Base {
    private final ReasonCode reason;

    ReasonFrame(FrameType type, ReasonCode reason) {
      super(type);
      this.reason = requireNonNull(reason, "reason");
    }

    public final ReasonCode reason() {
      return reason;
    }

    @Override
    public final int payloadLength() {
      return 1;
    }

    @Override
    public final void writePayload(ByteBuf out) {
      out.writeByte(reason.code());
    }

    @Override
    public final String toString() {
      return type() + "(" + reason + ")";
    }
  }

  /** A frame with a payload of one token or ack. */
  abstract class TokenFrame extends Base {
    private final Token secret;

    TokenFrame(FrameType type, Token secret) {
      super(type);
      this.secret = requireNonNull(secret, "secret");
    }

    /** The token or ack. */
    public final Token secret() {
      return secret;
    }

    @Override
    public final int payloadLength() {
      return Token.LENGTH;
    }

    @Override
    public final void writePayload(ByteBuf out) {
      secret.write(out);
    }
  }
}
