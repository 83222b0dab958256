package io.c2crelay.relay.listen;

import java.io.ByteArrayOutputStream;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

/** The table of docs/protocol.md section 1 once more, without channels, buffers or timers. */
final class ClassifierModel {
  static final long DETECT_MILLIS = 25;

  private static final long PREFIX_MILLIS = 1000;
  private static final long PREAMBLE_MILLIS = 2000;
  private static final byte[] MAGIC = HexFormat.of().parseHex("c24332430d0a1a0a");

  private enum State {
    NEW,
    PREFIX,
    PREAMBLE,
    SILENT_USER,
    USER,
    AGENT,
    CLOSED
  }

  private State state = State.NEW;
  private long nowMillis;
  private long deadlineMillis = DETECT_MILLIS;
  private boolean silent;
  private boolean hasWritten;
  private int finsPassedOn;
  private final List<String> reported = new ArrayList<>();
  private final ByteArrayOutputStream held = new ByteArrayOutputStream();
  private final ByteArrayOutputStream toUser = new ByteArrayOutputStream();
  private final ByteArrayOutputStream toAgent = new ByteArrayOutputStream();
  private final ByteArrayOutputStream written = new ByteArrayOutputStream();

  // --- events ---

  void receive(byte[] bytes) {
    switch (state) {
      case USER -> toUser.writeBytes(bytes);
      case AGENT -> toAgent.writeBytes(bytes);
      case NEW, PREFIX, PREAMBLE, SILENT_USER -> {
        held.writeBytes(bytes);
        if (held.size() > 0) {
          classify(held.toByteArray());
        }
      }
      case CLOSED -> throw new AssertionError("closed");
    }
  }

  private void classify(byte[] first) {
    int common = Math.min(first.length, MAGIC.length);
    boolean magic = Arrays.equals(first, 0, common, MAGIC, 0, common);
    boolean begins = magic || mayOfferProtocol(first);
    if (magic && common == MAGIC.length) {
      magic(first);
    } else if (offersProtocol(first)) {
      hello(first);
    } else if (!begins || state == State.SILENT_USER) {
      becomeUser();
    } else if (state == State.NEW) {
      state = State.PREFIX;
      deadlineMillis = nowMillis + PREFIX_MILLIS;
    }
  }

  private void magic(byte[] first) {
    if (state == State.SILENT_USER) {
      reported.add("misclassified");
      closed();
      return;
    }
    if (state != State.PREAMBLE) {
      state = State.PREAMBLE;
      deadlineMillis = nowMillis + PREAMBLE_MILLIS;
      reported.add("magic");
    }
    if (first.length >= 16) {
      int lowest = first[8] & 0xFF;
      int highest = first[9] & 0xFF;
      int kind = first[10] & 0xFF;
      if (kind > 2 || lowest > highest) {
        closed();
      } else {
        reported.add("agent " + kind);
        state = State.AGENT;
        toAgent.write(first, 16, first.length - 16);
      }
    }
  }

  private void hello(byte[] first) {
    if (state == State.SILENT_USER) {
      reported.add("misclassified");
      closed();
    } else {
      reported.add("tls first");
      state = State.AGENT;
      toAgent.writeBytes(first);
    }
  }

  /** An incomplete record of at most 4096 bytes that may hold a ClientHello. */
  private static boolean mayOfferProtocol(byte[] first) {
    byte[] begin = Arrays.copyOf(first, 9);
    int record = (begin[3] & 0xFF) << 8 | begin[4] & 0xFF;
    int hello = (begin[6] & 0xFF) << 16 | (begin[7] & 0xFF) << 8 | begin[8] & 0xFF;
    boolean header = begin[0] == 22 && (first.length == 1 || begin[1] == 3);
    boolean whole = record <= 4091 && begin[5] == 1 && hello == record - 4;
    return header && (first.length < 9 || whole && first.length < 5 + record);
  }

  private static boolean offersProtocol(byte[] first) {
    if (first.length < 9 || mayOfferProtocol(first)) {
      return false;
    }
    int record = (first[3] & 0xFF) << 8 | first[4] & 0xFF;
    if (!mayOfferProtocol(Arrays.copyOf(first, 8 + 1)) || first.length < 5 + record) {
      return false;
    }
    try {
      ByteBuffer in = ByteBuffer.wrap(first, 9, record - 4).slice();
      in.position(34);
      in.position((in.get() & 0xFF) + in.position());
      in.position((in.getShort() & 0xFFFF) + in.position());
      in.position((in.get() & 0xFF) + in.position());
      in.limit(in.getShort() + in.position());
      while (in.hasRemaining()) {
        int type = in.getShort();
        byte[] value = new byte[in.getShort()];
        in.get(value);
        if (type == 16) {
          return new String(value, StandardCharsets.ISO_8859_1).equals("\0\t\bc2crelay");
        }
      }
    } catch (BufferUnderflowException
        | IllegalArgumentException
        | NegativeArraySizeException malformed) {
      return false;
    }
    return false;
  }

  private void becomeUser() {
    if (!silent) {
      reported.add("user");
    } else if (!hasWritten) {
      reported.add("confirmed");
    }
    state = State.USER;
    toUser.writeBytes(held.toByteArray());
  }

  void write(byte[] bytes) {
    if (state == State.SILENT_USER && !hasWritten) {
      hasWritten = true;
      reported.add("confirmed");
    }
    written.writeBytes(bytes);
  }

  void fin() {
    switch (state) {
      case NEW, PREAMBLE -> closed();
      case PREFIX -> {
        becomeUser();
        finsPassedOn++;
      }
      case SILENT_USER, USER, AGENT -> finsPassedOn++;
      case CLOSED -> throw new AssertionError("closed");
    }
  }

  void pass(long millis) {
    nowMillis += millis;
    if (nowMillis < deadlineMillis) {
      return;
    }
    switch (state) {
      case NEW -> {
        state = State.SILENT_USER;
        silent = true;
        reported.add("silent user");
      }
      case PREFIX -> becomeUser();
      case PREAMBLE -> closed();
      default -> {}
    }
  }

  void closed() {
    state = State.CLOSED;
  }

  // --- results ---

  /** Whether it may be written to, and moved to another loop. */
  boolean isUser() {
    return state == State.USER || state == State.SILENT_USER;
  }

  boolean isSettled() {
    return state == State.USER || state == State.AGENT;
  }

  boolean isOpen() {
    return state != State.CLOSED;
  }

  List<String> reported() {
    return reported;
  }

  int finsPassedOn() {
    return finsPassedOn;
  }

  byte[] toUser() {
    return toUser.toByteArray();
  }

  byte[] toAgent() {
    return toAgent.toByteArray();
  }

  byte[] written() {
    return written.toByteArray();
  }
}
