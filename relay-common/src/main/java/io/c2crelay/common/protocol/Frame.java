package io.c2crelay.common.protocol;

import static java.util.Objects.requireNonNull;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.DefaultByteBufHolder;
import io.netty.buffer.Unpooled;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One frame of docs/protocol.md section 4. Immutable; only {@link Data} holds a buffer, and whoever
 * holds the frame releases it. {@code toString} names the type and nothing secret.
 */
public interface Frame {
  /** The frame's type. */
  FrameType type();

  /** Bytes of the payload. */
  int payloadLength();

  /** Writes {@link #payloadLength()} bytes. */
  void writePayload(ByteBuf out);

  /** Opens the handshake on a control connection: the version in use and the relay's nonce. */
  final class Challenge extends Base {
    /** Bytes of a nonce. */
    public static final int NONCE_LENGTH = 32;

    private final int version;
    private final byte[] nonce;

    private Challenge(int version, byte[] nonce) {
      super(FrameType.CHALLENGE);
      this.version = version;
      this.nonce = nonce;
    }

    /** A challenge; {@code nonce} has {@link #NONCE_LENGTH} bytes. */
    public static Challenge of(int version, byte[] nonce) {
      return new Challenge(version, nonce.clone());
    }

    static Challenge read(ByteBuf in) {
      return new Challenge(in.readUnsignedByte(), readBytes(in, NONCE_LENGTH));
    }

    /** The lower of both ends' highest versions. */
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

  /** The agent's answer: who it is, and its proof that it has the key. */
  final class Auth extends Base {
    private static final int TARGET_DIGEST = 1;
    private static final int PROOF_LENGTH = 32;

    private final byte[] nonce;
    private final InstanceId instance;
    private final long epoch;
    private final byte[] label;
    private final byte[] fields;
    private final byte[] proof;

    private Auth(
        byte[] nonce, InstanceId instance, long epoch, byte[] label, byte[] fields, byte[] proof) {
      super(FrameType.AUTH);
      this.nonce = nonce;
      this.instance = instance;
      this.epoch = epoch;
      this.label = label;
      this.fields = fields;
      this.proof = proof;
    }

    /**
     * An unproven AUTH, to be completed by {@link #withProof}.
     *
     * @param label at most {@link RelayProtocol#MAX_LABEL_LENGTH} bytes of UTF-8
     */
    public static Auth of(byte[] nonce, InstanceId instance, long epoch, String label) {
      byte[] utf8 = label.getBytes(StandardCharsets.UTF_8);
      if (utf8.length > RelayProtocol.MAX_LABEL_LENGTH) {
        throw new IllegalArgumentException("label too long");
      }
      return new Auth(
          nonce.clone(),
          requireNonNull(instance, "instance"),
          epoch,
          utf8,
          new byte[0],
          new byte[32]);
    }

    /** The same frame with the digest of the agent's target, 1 to 255 bytes. */
    public Auth withTargetDigest(byte[] digest) {
      ByteBuf field = Unpooled.buffer(2 + digest.length);
      field.writeByte(TARGET_DIGEST).writeByte(digest.length).writeBytes(digest);
      return new Auth(nonce, instance, epoch, label, field.array(), proof);
    }

    /** The same frame with its proof, 32 bytes. */
    public Auth withProof(byte[] newProof) {
      return new Auth(nonce, instance, epoch, label, fields, newProof.clone());
    }

    static Auth read(ByteBuf in) {
      byte[] nonce = readBytes(in, Challenge.NONCE_LENGTH);
      InstanceId instance = InstanceId.read(in);
      long epoch = in.readLong();
      int labelLength = in.readUnsignedByte();
      int fieldsLength = in.readableBytes() - labelLength - PROOF_LENGTH;
      if (labelLength > RelayProtocol.MAX_LABEL_LENGTH || fieldsLength < 0) {
        throw new ProtocolException("AUTH: label length does not fit the payload");
      }
      byte[] label = readBytes(in, labelLength);
      byte[] fields = readBytes(in, fieldsLength);
      Auth auth = new Auth(nonce, instance, epoch, label, fields, readBytes(in, PROOF_LENGTH));
      auth.field(TARGET_DIGEST); // checks them all
      return auth;
    }

    /** The value of the last field of a type; null if there is none. */
    private byte @Nullable [] field(int type) {
      byte[] found = null;
      ByteBuf in = Unpooled.wrappedBuffer(fields);
      while (in.isReadable()) {
        int fieldType = in.readUnsignedByte();
        if (!in.isReadable() || in.readableBytes() - 1 < in.getUnsignedByte(in.readerIndex())) {
          throw new ProtocolException("AUTH: a field is longer than the payload");
        }
        byte[] value = readBytes(in, in.readUnsignedByte());
        if (fieldType == type) {
          found = value;
        }
      }
      return found;
    }

    /** The agent process. */
    public InstanceId instance() {
      return instance;
    }

    /** The count of the agent's control attempts, from 1; unsigned. */
    public long epoch() {
      return epoch;
    }

    /** The agent's own name for itself: unchecked text of the peer. */
    public String label() {
      return new String(label, StandardCharsets.UTF_8);
    }

    /** A digest of the agent's target, to be compared with another agent's; null if unknown. */
    public byte @Nullable [] targetDigest() {
      return field(TARGET_DIGEST);
    }

    /** The agent's proof, 32 bytes. */
    public byte[] proof() {
      return proof.clone();
    }

    @Override
    public int payloadLength() {
      return unprovenLength() + proof.length;
    }

    /** Bytes of the payload before the proof. */
    public int unprovenLength() {
      return nonce.length + InstanceId.LENGTH + Long.BYTES + 1 + label.length + fields.length;
    }

    @Override
    public void writePayload(ByteBuf out) {
      out.writeBytes(nonce);
      instance.write(out);
      out.writeLong(epoch).writeByte(label.length).writeBytes(label);
      out.writeBytes(fields).writeBytes(proof);
    }
  }

  /** The relay's proof, and how data connections carry their bytes. */
  final class Welcome extends Base {
    /** Data connections are under TLS: the only mode of this build. */
    public static final int DATA_UNDER_TLS = 0;

    private final byte[] proof;
    private final int dataMode;

    private Welcome(byte[] proof, int dataMode) {
      super(FrameType.WELCOME);
      this.proof = proof;
      this.dataMode = dataMode;
    }

    /** A welcome; {@code proof} has 32 bytes. */
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

    /** {@link #DATA_UNDER_TLS}, or a mode this build does not know. */
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

  /** Asks the agent to open data connections, one for each token. */
  final class Dial extends Base {
    /** Bytes of what READY must echo for a token. */
    public static final int ACK_LENGTH = Token.LENGTH;

    /**
     * One data connection to open: the token the agent shows, and the one the relay answers with.
     */
    public static final class Ticket {
      private final Token token;
      private final Token ack;

      private Ticket(Token token, Token ack) {
        this.token = token;
        this.ack = ack;
      }

      /** A ticket of two secrets. */
      public static Ticket of(Token token, Token ack) {
        return new Ticket(requireNonNull(token, "token"), requireNonNull(ack, "ack"));
      }

      /** What the agent shows. */
      public Token token() {
        return token;
      }

      /** What the relay answers. */
      public Token ack() {
        return ack;
      }
    }

    private final List<Ticket> tickets;

    private Dial(List<Ticket> tickets) {
      super(FrameType.DIAL);
      this.tickets = Collections.unmodifiableList(tickets);
    }

    /** 1 to {@link RelayProtocol#MAX_DIALS_PER_FRAME} tickets. */
    public static Dial of(List<Ticket> tickets) {
      return new Dial(new ArrayList<>(tickets));
    }

    static Dial read(ByteBuf in) {
      if (in.readableBytes() % (Token.LENGTH + ACK_LENGTH) != 0) {
        throw new ProtocolException("DIAL: payload is not whole tickets");
      }
      List<Ticket> tickets = new ArrayList<>();
      while (in.isReadable()) {
        tickets.add(new Ticket(Token.read(in), Token.read(in)));
      }
      return new Dial(tickets);
    }

    /** The connections to open. */
    public List<Ticket> tickets() {
      return tickets;
    }

    @Override
    public int payloadLength() {
      return tickets.size() * (Token.LENGTH + ACK_LENGTH);
    }

    @Override
    public void writePayload(ByteBuf out) {
      for (Ticket ticket : tickets) {
        ticket.token.write(out);
        ticket.ack.write(out);
      }
    }
  }

  /** A dial of the agent did not work. */
  final class DialFailed extends Base {
    private final Token token;
    private final ReasonCode reason;

    private DialFailed(Token token, ReasonCode reason) {
      super(FrameType.DIAL_FAILED);
      this.token = token;
      this.reason = reason;
    }

    /** The failure of the dial that {@code token} asked for. */
    public static DialFailed of(Token token, ReasonCode reason) {
      return new DialFailed(requireNonNull(token, "token"), requireNonNull(reason, "reason"));
    }

    static DialFailed read(ByteBuf in) {
      return new DialFailed(Token.read(in), ReasonCode.of(in.readUnsignedByte()));
    }

    /** The token of the dial. */
    public Token token() {
      return token;
    }

    /** Why it failed. */
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
   * Are you there? The peer echoes {@code value} in a PONG where docs/protocol.md says that one is
   * due.
   */
  final class Ping extends Echo {
    private Ping(long value) {
      super(FrameType.PING, value);
    }

    /** A ping of any value. */
    public static Ping of(long value) {
      return new Ping(value);
    }
  }

  /** The answer to a PING. */
  final class Pong extends Echo {
    private Pong(long value) {
      super(FrameType.PONG, value);
    }

    /** The answer to a ping of this value. */
    public static Pong of(long value) {
      return new Pong(value);
    }
  }

  /** The sender takes no more sessions on this control connection. */
  final class GoAway extends Coded {
    private GoAway(ReasonCode reason) {
      super(FrameType.GOAWAY, reason);
    }

    /** Says why. */
    public static GoAway of(ReasonCode reason) {
      return new GoAway(reason);
    }
  }

  /** The first frame on a data connection: the token that allows it. */
  final class Claim extends Secret {
    private Claim(Token token) {
      super(FrameType.TOKEN, token);
    }

    /** Shows a token. */
    public static Claim of(Token token) {
      return new Claim(token);
    }
  }

  /** The relay took the token; {@code secret} is the ticket's ack. */
  final class Ready extends Secret {
    private Ready(Token ack) {
      super(FrameType.READY, ack);
    }

    /** Answers a token with its ticket's ack. */
    public static Ready of(Token ack) {
      return new Ready(ack);
    }
  }

  /** A user is here: dial the target. */
  final class Start extends Base {
    private static final int LENGTH = Long.BYTES + 2 * Endpoint.LENGTH;

    private final long sessionId;
    private final InetSocketAddress user;
    private final InetSocketAddress port;

    private Start(long sessionId, InetSocketAddress user, InetSocketAddress port) {
      super(FrameType.START);
      this.sessionId = sessionId;
      this.user = user;
      this.port = port;
    }

    /** A session of a user at one address who connected to another; both resolved. */
    public static Start of(long sessionId, InetSocketAddress user, InetSocketAddress connectedTo) {
      return new Start(
          sessionId, requireNonNull(user, "user"), requireNonNull(connectedTo, "connectedTo"));
    }

    static Start read(ByteBuf in) {
      return new Start(in.readLong(), Endpoint.read(in), Endpoint.read(in));
    }

    /** The relay's number for the session. */
    public long sessionId() {
      return sessionId;
    }

    /** Where the user comes from. */
    public InetSocketAddress user() {
      return user;
    }

    /** The relay's address that the user connected to. */
    public InetSocketAddress connectedTo() {
      return port;
    }

    @Override
    public int payloadLength() {
      return LENGTH;
    }

    @Override
    public void writePayload(ByteBuf out) {
      out.writeLong(sessionId);
      Endpoint.write(out, user);
      Endpoint.write(out, port);
    }
  }

  /** The target is connected. */
  final class Started extends Base {
    /** The one value. */
    public static final Started INSTANCE = new Started();

    private Started() {
      super(FrameType.STARTED);
    }
  }

  /** The target is not to be had; the agent closes. */
  final class Failed extends Coded {
    private Failed(ReasonCode reason) {
      super(FrameType.FAILED, reason);
    }

    /** Says why. */
    public static Failed of(ReasonCode reason) {
      return new Failed(reason);
    }
  }

  /** Session bytes. Holds a buffer: release it. */
  final class Data extends DefaultByteBufHolder implements Frame {
    private Data(ByteBuf bytes) {
      super(bytes);
    }

    /** Takes over {@code bytes}, at most {@link RelayProtocol#MAX_DATA_PAYLOAD}. */
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
      return "DATA"; // the bytes may be released already
    }
  }

  /** This direction is done: TCP's half-close. */
  final class Eof extends Base {
    /** The one value. */
    public static final Eof INSTANCE = new Eof();

    private Eof() {
      super(FrameType.EOF);
    }
  }

  /** The session is aborted. */
  final class Reset extends Coded {
    private Reset(ReasonCode reason) {
      super(FrameType.RESET, reason);
    }

    /** Says why. */
    public static Reset of(ReasonCode reason) {
      return new Reset(reason);
    }
  }

  /** What all frames but DATA have in common. */
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

  /** A frame of eight bytes that are echoed. */
  abstract class Echo extends Base {
    private final long value;

    Echo(FrameType type, long value) {
      super(type);
      this.value = value;
    }

    /** The eight bytes. */
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

  /** A frame of one reason code. */
  abstract class Coded extends Base {
    private final ReasonCode reason;

    Coded(FrameType type, ReasonCode reason) {
      super(type);
      this.reason = requireNonNull(reason, "reason");
    }

    /** Why. */
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

  /** A frame of one token or ack. */
  abstract class Secret extends Base {
    private final Token secret;

    Secret(FrameType type, Token secret) {
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
