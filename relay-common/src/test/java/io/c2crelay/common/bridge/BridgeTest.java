package io.c2crelay.common.bridge;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.common.bridge.BridgeSettings.Side;
import io.c2crelay.common.protocol.FrameDecoder;
import io.c2crelay.common.protocol.FrameEncoder;
import io.c2crelay.common.protocol.ReasonCode;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Half-close, abort and liveness of a session as tables of event orders. An event is one letter; at
 * the raw leg (user or target) {@code r} bytes, {@code f} FIN; at the framed leg {@code d} DATA,
 * {@code e} EOF, {@code p} PING.
 */
class BridgeTest {
  private static final String BYTES_UP = "7570";
  private static final String BYTES_DOWN = "646f776e";
  private static final String DATA_UP = "15000002" + BYTES_UP;
  private static final String DATA_DOWN = "15000004" + BYTES_DOWN;
  private static final String EOF = "16000000";
  private static final long SESSION_ID = 7;
  private static final String DONE = "18000008" + "0000000000000007";
  private static final String PING = "06000008" + "0000000000000000";

  private final BufferBudget budget = BufferBudget.ofBytes(1 << 30);
  private final SocketlessChannel raw = new SocketlessChannel();
  private final SocketlessChannel framed = new SocketlessChannel();
  private final List<ReasonCode> ends = new ArrayList<>();
  private final List<ByteBuf> given = new ArrayList<>();
  private Duration idleTimeout = Duration.ZERO;
  private Duration halfCloseTimeout = Duration.ZERO;
  private SessionRates rates = SessionRates.UNLIMITED;
  private Bridge bridge;
  private boolean keepsConnection = true;
  private int timesFree;
  private final List<String> violations = new ArrayList<>();
  private final Bridge.Listener listener =
      new Bridge.Listener() {
        @Override
        public void ended(Bridge ended, ReasonCode reason) {
          ends.add(reason);
        }

        @Override
        public boolean keepsConnection() {
          return keepsConnection;
        }

        @Override
        public void connectionFree() {
          timesFree++;
        }

        @Override
        public void connectionViolated(String detail) {
          violations.add(detail);
        }
      };

  @AfterEach
  void nothingIsLeft() {
    if (bridge != null) {
      bridge.abort(ReasonCode.DRAINING);
      assertThat(ends).as("one end").hasSize(1);
    }
    assertThat(budget.usedBytes()).as("accounted for").isZero();
    raw.finishAndReleaseAll();
    framed.finishAndReleaseAll();
    assertThat(given).allSatisfy(bytes -> assertThat(bytes.refCnt()).isZero());
  }

  private void begin(Side side) {
    framed.pipeline().addLast(FrameDecoder.ofData(), FrameEncoder.INSTANCE);
    bridge =
        Bridge.join(
            raw,
            framed,
            SESSION_ID,
            BridgeSettings.of(side, budget, idleTimeout, halfCloseTimeout),
            rates,
            listener);
    assertThat(raw.config().isAutoRead() || framed.config().isAutoRead()).isFalse();
    bridge.begin();
    assertThat(raw.config().isAutoRead() && framed.config().isAutoRead()).isTrue();
  }

  // --- the orderly end ---

  @ParameterizedTest
  @EnumSource(Side.class)
  void doneOfBothEndsFreesTheConnection(Side side) {
    begin(side);
    happen("fe");
    assertThat(framed.written()).isEqualTo(EOF + DONE);
    assertThat(ends).containsExactly(ReasonCode.DONE);
    assertThat(raw.isClosed()).isTrue();
    assertThat(timesFree).isZero();
    happen('o');
    assertFree();
    framed.pass(2, TimeUnit.HOURS);
    assertThat(framed.isOpen()).as("no timer is left").isTrue();
  }

  private void assertFree() {
    assertThat(timesFree).isEqualTo(1);
    assertThat(framed.pipeline().get("framed-leg")).isNull();
    assertThat(framed.config().isAutoRead()).isTrue();
    assertThat(framed.isOpen()).isTrue();
    assertThat(ends).containsExactly(ReasonCode.DONE);
  }

  @Test
  void aConnectionThatIsNotKeptIsClosed() {
    keepsConnection = false;
    begin(Side.RELAY);
    happen("fe");
    assertThat(framed.written()).isEqualTo(EOF);
    assertThat(framed.isClosed()).isTrue();
    assertThat(framed.isReset()).isFalse();
    assertThat(ends).containsExactly(ReasonCode.DONE);
  }

  /** Whatever else the peer sends ends the connection, and not the session. */
  @ParameterizedTest
  @ValueSource(
      strings = {"180000080000000000000008", DATA_DOWN, EOF, PING, "1700000106", "14000000", "ff"})
  void anythingButDoneEndsTheConnection(String bytes) {
    begin(Side.RELAY);
    happen("fe");
    receive(framed, bytes);
    if (bytes.equals("ff")) {
      framed.close(); // within a frame
    }
    assertThat(framed.isOpen()).isFalse();
    assertThat(timesFree).isZero();
    assertThat(ends).containsExactly(ReasonCode.DONE);
    boolean allowed = bytes.startsWith("17") || bytes.equals("ff");
    assertThat(violations).hasSize(allowed ? 0 : 1);
  }

  @Test
  void whatFollowsAViolationInTheSameReadIsDropped() {
    begin(Side.RELAY);
    happen("fe");
    receive(framed, (EOF + PING).repeat(100) + DONE);
    assertThat(framed.isOpen()).isFalse();
    assertThat(timesFree).isZero();
    assertThat(violations).hasSize(1);
  }

  /** The peer closes while the raw leg has bytes to take. */
  @ParameterizedTest
  @CsvSource({"RELAY, dfe", "RELAY, dfeo", "AGENT, dfe", "AGENT, dfeo"})
  void connectionThatIsClosedBeforeTheEndIsNotFree(Side side, String events) {
    begin(side);
    raw.stall();
    happen(events);
    framed.close();
    raw.goOn();
    assertThat(raw.written()).isEqualTo(BYTES_DOWN);
    assertThat(ends).containsExactly(ReasonCode.DONE);
    assertThat(timesFree).isZero();
    assertThat(framed.hasPendingTasks()).as("timers left").isFalse();
  }

  /** An agent that detaches. */
  @Test
  void theAgentDoesNotOfferAConnectionThatIsNotKept() {
    keepsConnection = false;
    begin(Side.AGENT);
    happen("fe");
    assertThat(framed.written()).isEqualTo(EOF);
    assertThat(framed.isOpen()).as("the relay closes first").isTrue();
    happen('o');
    assertThat(framed.isClosed()).isTrue();
    assertThat(timesFree).isZero();
    assertThat(ends).containsExactly(ReasonCode.DONE);
  }

  @Test
  void doneBeforeTheLastByteIsDeliveredIsRemembered() {
    begin(Side.AGENT);
    raw.stall();
    happen("dfe");
    happen('o');
    assertThat(ends).as("bytes are queued").isEmpty();
    raw.goOn();
    assertThat(framed.written()).isEqualTo(EOF + DONE);
    assertFree();
  }

  @Test
  void aTargetThatDoesNotReadAfterDoneIsAborted() {
    halfCloseTimeout = Duration.ofSeconds(30);
    begin(Side.AGENT);
    raw.stall();
    happen("dfeo");
    framed.pass(29, TimeUnit.SECONDS);
    assertThat(ends).isEmpty();
    framed.pass(1, TimeUnit.SECONDS);
    assertThat(ends).containsExactly(ReasonCode.IDLE);
  }

  @ParameterizedTest
  @CsvSource({
    "'', " + DONE,
    "e, " + DONE,
    "f, " + DONE,
    "dfe, 180000080000000000000008",
    "dfe, " + DONE + DONE,
    "dfe, " + DONE + EOF,
    "dfe, " + DONE + "1700000106"
  })
  void doneOutOfOrderIsAnError(String events, String frames) {
    begin(Side.RELAY);
    raw.stall();
    happen(events);
    receive(framed, frames);
    assertThat(ends).containsExactly(ReasonCode.PROTOCOL);
    assertThat(raw.isReset()).isTrue();
  }

  @ParameterizedTest
  @CsvSource({
    "fe, '', ''",
    "ef, '', ''",
    "rfe, r, ''",
    "ref, r, ''",
    "erf, r, ''",
    "def, '', d",
    "dfe, '', d",
    "fde, '', d",
    "rfde, r, d",
    "rdfe, r, d",
    "rdef, r, d",
    "drfe, r, d",
    "dref, r, d",
    "derf, r, d",
    "rrdrpdfpde, rrr, ddd",
    "ferfr, '', ''"
  })
  void bothDirectionsEndInAnyOrder(String events, String up, String down) {
    for (Side side : Side.values()) {
      BridgeTest session = new BridgeTest();
      session.begin(side);
      StringBuilder toFramed = new StringBuilder();
      StringBuilder toRaw = new StringBuilder();
      boolean fin = false;
      boolean eof = false;
      for (char event : events.toCharArray()) {
        assertThat(session.ends).isEqualTo(fin && eof ? List.of(ReasonCode.DONE) : List.of());
        session.happen(event);
        fin |= event == 'f';
        eof |= event == 'e';
        toFramed.append(session.framed.written());
        toRaw.append(session.raw.written());
        assertThat(session.raw.isOutputShutdown()).as("FIN after %s", event).isEqualTo(eof);
      }
      assertThat(session.ends).containsExactly(ReasonCode.DONE);
      assertThat(toFramed).hasToString(up.replace("r", DATA_UP) + EOF + DONE);
      assertThat(toRaw).hasToString(down.replace("d", BYTES_DOWN));
      assertThat(session.bridge.rawBytes()).isEqualTo(up.length() * 2L);
      assertThat(session.bridge.deliveredBytes()).isEqualTo(down.length() * 4L);
      assertThat(session.raw.isClosed()).as("raw closed in order").isTrue();
      assertThat(session.framed.isOpen()).isTrue();
      session.nothingIsLeft();
    }
  }

  @ParameterizedTest
  @CsvSource({"RELAY, 5", "AGENT, 3600"})
  void thePeersDoneIsAwaitedForSomeTime(Side side, int seconds) {
    begin(side);
    happen("ef");
    assertThat(framed.config().isAutoRead()).as("hears DONE and the close").isTrue();
    framed.pass(seconds - 1, TimeUnit.SECONDS);
    assertThat(framed.isOpen()).isTrue();
    framed.pass(1, TimeUnit.SECONDS);
    assertThat(framed.isClosed()).isTrue();
    assertThat(framed.isReset()).isFalse();
  }

  @Test
  void theRelaysCloseEndsTheAgentsWait() {
    begin(Side.AGENT);
    happen("rfde");
    framed.close();
    assertThat(ends).containsExactly(ReasonCode.DONE);
    assertThat(framed.isReset()).isFalse();
  }

  @Test
  void whatComesAfterTheEndIsReleased() {
    begin(Side.AGENT);
    happen("efddr");
    assertThat(ends).containsExactly(ReasonCode.DONE);
    assertThat(raw.written()).isEmpty();
  }

  @Test
  void aFinWaitsForTheLastByteToBeWritten() {
    begin(Side.RELAY);
    raw.stall();
    happen("de");
    assertThat(raw.isOutputShutdown()).as("bytes are queued").isFalse();
    happen('f');
    assertThat(ends).as("bytes are queued").isEmpty();
    raw.goOn();
    assertThat(raw.written()).isEqualTo(BYTES_DOWN);
    assertThat(raw.isOutputShutdown()).isTrue();
    assertThat(ends).containsExactly(ReasonCode.DONE);
  }

  @ParameterizedTest
  @EnumSource(Side.class)
  void aPeerThatIsDoneAndClosesLeavesTheRawLegItsBytes(Side side) {
    begin(side);
    raw.stall();
    happen("dfe");
    framed.close();
    assertThat(ends).as("bytes are queued").isEmpty();
    assertThat(raw.isOpen()).isTrue();
    raw.goOn();
    assertThat(raw.written()).isEqualTo(BYTES_DOWN);
    assertThat(raw.isOutputShutdown()).isTrue();
    assertThat(raw.isClosed()).isTrue();
    assertThat(ends).containsExactly(ReasonCode.DONE);
  }

  @ParameterizedTest
  @EnumSource(Side.class)
  void aRawLegThatDoesNotTakeItsLastBytesIsAbortedAfterTheHalfCloseTimeout(Side side) {
    halfCloseTimeout = Duration.ofHours(1);
    begin(side);
    raw.stall();
    happen("dfe");
    framed.pipeline().fireChannelInactive(); // a close would end the loop's timers too
    framed.pass(3_599, TimeUnit.SECONDS);
    assertThat(ends).isEmpty();
    framed.pass(1, TimeUnit.SECONDS);
    assertThat(ends).containsExactly(ReasonCode.IDLE);
    assertThat(raw.isReset()).isTrue();
  }

  @ParameterizedTest
  @EnumSource(Side.class)
  void aResetOfAPeerThatIsDoneIsAnAbort(Side side) {
    begin(side);
    raw.stall();
    happen("dfe");
    framed.receiveReset();
    assertThat(framed.isReset()).isTrue();
    assertThat(ends).as("bytes are queued").isEmpty();
    raw.goOn();
    raw.pass(64, TimeUnit.MILLISECONDS);
    assertThat(raw.written()).isEqualTo(BYTES_DOWN);
    assertThat(raw.isReset()).isTrue();
    assertThat(ends).containsExactly(ReasonCode.AGENT_LOST);
  }

  @Test
  void theEndWaitsForEofToBeWritten() {
    begin(Side.RELAY);
    framed.stall();
    happen("erf");
    assertThat(ends).as("EOF is queued").isEmpty();
    assertThat(framed.isOpen()).isTrue();
    framed.goOn();
    assertThat(framed.written()).isEqualTo(DATA_UP + EOF + DONE);
    assertThat(ends).containsExactly(ReasonCode.DONE);
  }

  @Test
  void bytesAndEofMayComeInOneRead() {
    begin(Side.AGENT);
    receive(framed, DATA_DOWN + DATA_DOWN + EOF);
    assertThat(raw.written()).isEqualTo(BYTES_DOWN + BYTES_DOWN);
    assertThat(raw.isOutputShutdown()).isTrue();
    assertThat(ends).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({"1, 1", "16380, 1", "16381, 2", "32760, 2", "40000, 3"})
  void aLongReadBecomesSeveralFrames(int length, int frames) {
    begin(Side.RELAY);
    receive(raw, "aa".repeat(length));
    StringBuilder expected = new StringBuilder();
    for (int left = length; left > 0; left -= 16380) {
      int part = Math.min(left, 16380);
      expected.append("15").append(String.format("%06x", part)).append("aa".repeat(part));
    }
    assertThat(framed.written()).isEqualTo(expected.toString());
    assertThat(expected.length()).isEqualTo(2 * (length + 4 * frames));
    assertThat(bridge.rawBytes()).isEqualTo(length);
  }

  // --- one direction is done ---

  @ParameterizedTest
  @EnumSource(Side.class)
  void afterItsEofTheFramedLegIsStillHeard(Side side) {
    begin(side);
    happen("de");
    assertThat(framed.config().isAutoRead()).isTrue();
    framed.pass(1, TimeUnit.MINUTES);
    raw.pass(1, TimeUnit.MINUTES);
    happen("rr");
    assertThat(framed.config().isAutoRead()).isTrue();
    assertThat(budget.usedBytes()).isZero();
    assertThat(ends).isEmpty();
    receive(framed, reset(ReasonCode.DRAINING));
    assertThat(ends).containsExactly(ReasonCode.DRAINING);
  }

  @ParameterizedTest
  @EnumSource(Side.class)
  void aHalfClosedSessionTakesNothingFromTheBudgetOfOthers(Side side) {
    begin(side);
    long share = budget.share();
    happen("e");
    assertThat(budget.usedBytes()).isZero();
    assertThat(budget.share()).isEqualTo(share);
    framed.stall();
    receive(raw, "aa".repeat(100_000)); // writability changes, and with it the flow
    assertThat(budget.usedBytes()).isBetween(100_000L, 110_000L);
    framed.goOn();
    assertThat(budget.usedBytes()).isZero();
    assertThat(raw.config().isAutoRead()).isTrue();
  }

  // --- aborts ---

  @ParameterizedTest
  @ValueSource(strings = {"", "r", "d", "rd", "rf", "de", "rfd", "der"})
  void aResetOfTheRawLegIsToldAndThePeerCloses(String before) {
    for (Side side : Side.values()) {
      ReasonCode gone = side == Side.RELAY ? ReasonCode.USER_GONE : ReasonCode.TARGET_GONE;
      for (Event reset : List.<Event>of(s -> s.raw.receiveReset(), s -> s.raw.close())) {
        BridgeTest session = new BridgeTest();
        session.begin(side);
        session.happen(before);
        session.framed.written();
        reset.happen(session);
        assertThat(session.framed.written()).isEqualTo(reset(gone));
        assertThat(session.raw.isReset()).isTrue();
        session.happen(
            before.contains("e") ? "" : "pdpde"); // under way before the peer reads RESET
        assertThat(session.ends).as("the peer has not closed").isEmpty();
        session.framed.close();
        assertThat(session.ends).containsExactly(gone);
        assertThat(session.framed.written()).isEmpty();
        session.nothingIsLeft();
      }
    }
  }

  @Test
  void aPeerThatDoesNotCloseAtResetIsResetAfter30Seconds() {
    begin(Side.RELAY);
    raw.receiveReset();
    framed.pass(29_999, TimeUnit.MILLISECONDS);
    assertThat(framed.isOpen()).isTrue();
    framed.pass(1, TimeUnit.MILLISECONDS);
    assertThat(framed.isReset()).isTrue();
    assertThat(ends).containsExactly(ReasonCode.USER_GONE);
  }

  @Test
  void twoResetsMayCross() {
    begin(Side.AGENT);
    raw.receiveReset();
    receive(framed, reset(ReasonCode.USER_GONE));
    assertThat(framed.isReset()).isTrue();
    assertThat(ends).containsExactly(ReasonCode.TARGET_GONE);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "r", "d", "rd", "rf", "de", "rfd", "der"})
  void anEndOfTheFramedLegWithoutBothEofsIsAnAbort(String before) {
    for (Side side : Side.values()) {
      assertAborted(side, before, s -> s.framed.close(), ReasonCode.AGENT_LOST, false);
      assertAborted(side, before, s -> s.framed.receiveReset(), ReasonCode.AGENT_LOST, false);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "r", "d", "rd", "rf", "de", "rfd", "der"})
  void aResetFrameIsPassedOnAndNotAnswered(String before) {
    for (Side side : Side.values()) {
      for (ReasonCode reason : List.of(ReasonCode.USER_GONE, ReasonCode.IDLE)) {
        assertAborted(side, before, s -> s.receive(s.framed, reset(reason)), reason, false);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "DATA after EOF, de, " + DATA_DOWN,
    "a second EOF, re, " + EOF,
    "PING after EOF, de, " + PING,
    "STARTED, r, 13000000",
    "READY, d, 1100001000000000000000000000000000000000",
    "PONG, '', 070000080000000000000000",
    "FAILED, '', 1400000101",
    "a frame of control, rd, 0800000109",
    "no frame, '', 00000000",
    "too long a frame, rf, 15003ffd"
  })
  void anUnexpectedFrameIsAnAbort(String name, String before, String frame) {
    for (Side side : Side.values()) {
      assertAborted(side, before, s -> s.receive(s.framed, frame), ReasonCode.PROTOCOL, true);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "r", "d", "rd", "rf", "de", "rfd", "der"})
  void aRawLegThatTheKernelClosesForAKilledProcessIsReset(String before) {
    for (Side side : Side.values()) {
      BridgeTest session = new BridgeTest();
      session.begin(side);
      session.happen(before);
      session.raw.close();
      assertThat(session.raw.isReset()).isTrue();
      session.nothingIsLeft();
    }
  }

  @Test
  void aFrameCutShortByTheEndIsAnAbort() {
    begin(Side.RELAY);
    receive(framed, "15000004aabb");
    framed.close();
    // Netty tells of the end before the decoder's complaint
    raw.runPendingTasks();
    assertThat(ends).containsExactly(ReasonCode.AGENT_LOST);
    assertThat(raw.isReset()).isTrue();
  }

  @Test
  void aResetFrameWaitsBehindAStalledStream() {
    begin(Side.RELAY);
    framed.stall();
    receive(raw, "aa".repeat(16_380) + "aa".repeat(16_380));
    raw.receiveReset();
    assertThat(budget.usedBytes()).isPositive();
    framed.pass(29, TimeUnit.SECONDS);
    framed.goOn();
    String full = "15003ffc" + "aa".repeat(16_380);
    assertThat(framed.written()).isEqualTo(full + full + reset(ReasonCode.USER_GONE));
    framed.close();
    assertThat(ends).containsExactly(ReasonCode.USER_GONE);
  }

  @Test
  void bytesQueuedForALostLegAreReleased() {
    begin(Side.RELAY);
    raw.stall();
    framed.stall();
    happen("rddr");
    raw.close();
    framed.pass(30, TimeUnit.SECONDS);
    assertThat(ends).containsExactly(ReasonCode.USER_GONE);
    assertThat(bridge.deliveredBytes()).isZero();
    assertThat(budget.usedBytes()).isZero();
    assertThat(given).allSatisfy(bytes -> assertThat(bytes.refCnt()).isZero());
  }

  // --- bytes before a reset ---

  /** Events at the raw leg after a write to it failed, and what they are to the peer. */
  @ParameterizedTest
  @CsvSource({
    "a reset, Connection reset by peer, rrx, rr",
    "a reset that reads as an end, Connection reset by peer, rf, r",
    "a reset alone, Connection reset by peer, x, ''",
    "a reset behind a FIN, Broken pipe, rrf, rrf",
    "a reset behind a FIN alone, Broken pipe, f, f"
  })
  void whatTheRawLegSentBeforeAWriteFailedIsPassedOn(
      String name, String words, String events, String passedOn) {
    for (Side side : Side.values()) {
      BridgeTest session = new BridgeTest();
      session.begin(side);
      session.happen("d");
      session.raw.failWrites(words);
      session.happen("dd");
      assertThat(session.ends).isEmpty();
      assertThat(session.raw.isOpen()).isTrue();
      session.happen("d" + events);
      ReasonCode gone = side == Side.RELAY ? ReasonCode.USER_GONE : ReasonCode.TARGET_GONE;
      assertThat(session.framed.written())
          .isEqualTo(passedOn.replace("r", DATA_UP).replace("f", EOF) + reset(gone));
      assertThat(session.raw.isReset()).isTrue();
      session.framed.close();
      assertThat(session.ends).containsExactly(gone);
      assertThat(session.bridge.deliveredBytes()).isEqualTo(4);
      session.nothingIsLeft();
    }
  }

  @Test
  void aFailedWriteAfterTheRawLegsFinIsTheEnd() {
    begin(Side.AGENT);
    happen("f");
    framed.written();
    raw.failWrites("Broken pipe");
    happen("d");
    assertThat(framed.written()).isEqualTo(reset(ReasonCode.TARGET_GONE));
    framed.close();
    assertThat(ends).containsExactly(ReasonCode.TARGET_GONE);
  }

  @Test
  void aRawLegThatIsNotReadToItsEndIsGivenUpAfter30Seconds() {
    begin(Side.RELAY);
    framed.stall();
    receive(raw, "aa".repeat(70_000));
    assertThat(raw.config().isAutoRead()).isFalse();
    raw.reportError();
    framed.pass(29_999, TimeUnit.MILLISECONDS);
    assertThat(ends).isEmpty();
    framed.pass(1, TimeUnit.MILLISECONDS);
    assertThat(ends).containsExactly(ReasonCode.USER_GONE);
    assertThat(raw.isReset() && framed.isReset()).isTrue();
  }

  @Test
  void aFramedLegThatIsNotReadToItsEndIsGivenUpAfter30Seconds() {
    begin(Side.RELAY);
    raw.stall();
    receive(framed, ("15003000" + "aa".repeat(0x3000)).repeat(6));
    assertThat(framed.config().isAutoRead()).isFalse();
    framed.reportError();
    framed.pass(29_999, TimeUnit.MILLISECONDS);
    assertThat(ends).isEmpty();
    framed.pass(1, TimeUnit.MILLISECONDS);
    assertThat(ends).containsExactly(ReasonCode.AGENT_LOST);
  }

  @ParameterizedTest
  @EnumSource(Side.class)
  void aResetBehindAFinIsNoticed(Side side) {
    begin(side);
    happen("rf");
    raw.reportError();
    assertThat(raw.isReset()).isTrue();
    ReasonCode gone = side == Side.RELAY ? ReasonCode.USER_GONE : ReasonCode.TARGET_GONE;
    assertThat(framed.written()).isEqualTo(DATA_UP + EOF + reset(gone));
    framed.close();
    assertThat(ends).containsExactly(gone);
  }

  @ParameterizedTest
  @CsvSource({"true, 4", "false, 0"})
  void aResetFrameWaitsUntilTheRawLegHasItsBytes(boolean reads, long delivered) {
    begin(Side.RELAY);
    raw.stall();
    receive(framed, DATA_DOWN + reset(ReasonCode.TARGET_GONE));
    assertThat(framed.isReset()).isTrue();
    assertThat(raw.isOpen()).isTrue();
    assertThat(ends).isEmpty();
    assertThat(budget.usedBytes()).isPositive();
    if (reads) {
      raw.goOn();
      raw.pass(64, TimeUnit.MILLISECONDS);
    } else {
      raw.pass(31, TimeUnit.SECONDS);
    }
    assertThat(raw.written()).isEqualTo(reads ? BYTES_DOWN : "");
    assertThat(raw.isReset()).isTrue();
    assertThat(ends).containsExactly(ReasonCode.TARGET_GONE);
    assertThat(bridge.deliveredBytes()).isEqualTo(delivered);
  }

  @Test
  void theLastBytesOfAUserThatIsGoneAreDelivered() {
    framed.pipeline().addLast(FrameDecoder.ofData(), FrameEncoder.INSTANCE);
    raw.close();
    bridge =
        Bridge.deliver(
            Unpooled.wrappedBuffer(ByteBufUtil.decodeHexDump(BYTES_UP)),
            raw,
            framed,
            SESSION_ID,
            BridgeSettings.of(Side.RELAY, budget, idleTimeout, halfCloseTimeout),
            listener);
    assertThat(framed.written()).isEqualTo(DATA_UP + reset(ReasonCode.USER_GONE));
    assertThat(ends).isEmpty();
    framed.close();
    assertThat(ends).containsExactly(ReasonCode.USER_GONE);
    assertThat(bridge.rawBytes()).isEqualTo(2);
  }

  @Test
  void anAbortIsTold() {
    begin(Side.AGENT);
    bridge.abort(ReasonCode.DRAINING);
    bridge.abort(ReasonCode.IDLE);
    assertThat(ends).containsExactly(ReasonCode.DRAINING);
    assertThat(framed.written()).isEqualTo(reset(ReasonCode.DRAINING));
    assertThat(raw.isReset() && framed.isReset()).isTrue();
    assertThat(bridge.isEnded()).isTrue();
  }

  private interface Event {
    void happen(BridgeTest session);
  }

  private static void assertAborted(
      Side side, String before, Event event, ReasonCode reason, boolean told) {
    BridgeTest session = new BridgeTest();
    session.begin(side);
    session.happen(before);
    session.raw.written();
    session.framed.written();
    assertThat(session.ends).isEmpty();
    event.happen(session);
    assertThat(session.ends).containsExactly(reason);
    assertThat(session.framed.written()).isEqualTo(told ? reset(reason) : "");
    assertThat(session.raw.written()).isEmpty();
    assertThat(session.raw.isOpen() || session.framed.isOpen()).isFalse();
    assertThat(session.raw.isReset()).isTrue();
    session.happen("rdfe"); // nothing moves it any more
    session.nothingIsLeft();
    assertThat(session.ends).hasSize(1);
  }

  // --- not a user after all ---

  @Test
  void aReleasedRawLegIsAsItWasBefore() {
    begin(Side.RELAY);
    bridge.release(ReasonCode.MISCLASSIFIED);
    assertThat(ends).containsExactly(ReasonCode.MISCLASSIFIED);
    assertThat(framed.written()).isEqualTo(reset(ReasonCode.MISCLASSIFIED));
    assertThat(framed.isReset()).isTrue();
    assertThat(raw.isOpen()).isTrue();
    assertThat(raw.config().isAutoRead()).isTrue();
    assertThat(raw.pipeline().get(RawLeg.class)).isNull();
    ByteBuf bytes = Unpooled.copyInt(1);
    raw.writeInbound(bytes);
    assertThat(raw.<ByteBuf>readInbound()).isSameAs(bytes);
    bytes.release();
  }

  @Test
  void anEndedSessionIsNotReleased() {
    begin(Side.RELAY);
    happen("fe");
    bridge.release(ReasonCode.MISCLASSIFIED);
    assertThat(ends).containsExactly(ReasonCode.DONE);
    assertThat(raw.isClosed()).isTrue();
  }

  // --- time ---

  @Test
  void aPingIsWrittenAfter30SecondsWithoutAWrite() {
    begin(Side.RELAY);
    framed.pass(29_999, TimeUnit.MILLISECONDS);
    assertThat(framed.written()).isEmpty();
    framed.pass(1, TimeUnit.MILLISECONDS);
    assertThat(framed.written()).isEqualTo(PING);
    framed.pass(30, TimeUnit.SECONDS);
    assertThat(framed.written()).isEqualTo(PING);
    framed.pass(20, TimeUnit.SECONDS);
    happen("rd");
    assertThat(framed.written()).isEqualTo(DATA_UP);
    framed.pass(29_999, TimeUnit.MILLISECONDS);
    assertThat(framed.written()).isEmpty();
    framed.pass(1, TimeUnit.MILLISECONDS);
    assertThat(framed.written()).isEqualTo(PING);
  }

  @Test
  void noPingsGatherBehindAStalledStream() {
    begin(Side.AGENT);
    framed.stall();
    while (framed.isWritable()) {
      happen("r");
    }
    long pending = framed.unsafe().outboundBuffer().totalPendingWriteBytes();
    framed.pass(24, TimeUnit.HOURS);
    assertThat(framed.unsafe().outboundBuffer().totalPendingWriteBytes()).isEqualTo(pending);
    framed.goOn();
    framed.written();
    framed.pass(30, TimeUnit.SECONDS);
    assertThat(framed.written()).isEqualTo(PING);
  }

  @Test
  void noPingFollowsTheOwnEof() {
    begin(Side.AGENT);
    happen("f");
    assertThat(framed.written()).isEqualTo(EOF);
    framed.pass(10, TimeUnit.MINUTES);
    assertThat(framed.written()).isEmpty();
    assertThat(ends).isEmpty();
  }

  @Test
  void afterThePeersEofPingsGoOn() {
    begin(Side.AGENT);
    happen("e");
    framed.pass(30, TimeUnit.SECONDS);
    assertThat(framed.written()).isEqualTo(PING);
  }

  @Test
  void aPingIsNotAnswered() {
    begin(Side.AGENT);
    happen("pp");
    assertThat(framed.written()).isEmpty();
    assertThat(raw.written()).isEmpty();
  }

  @Test
  void aSessionOfNoBytesIsAbortedAfterTheIdleTimeout() {
    idleTimeout = Duration.ofSeconds(100);
    begin(Side.RELAY);
    for (char event : "rdrd".toCharArray()) {
      framed.pass(99_999, TimeUnit.MILLISECONDS);
      happen(event);
    }
    assertThat(ends).isEmpty();
    framed.pass(99, TimeUnit.SECONDS);
    happen("p"); // a sign of life, but no byte
    framed.pass(999, TimeUnit.MILLISECONDS);
    assertThat(ends).isEmpty();
    framed.written();
    framed.pass(1, TimeUnit.MILLISECONDS);
    assertThat(ends).containsExactly(ReasonCode.IDLE);
    assertThat(framed.written()).isEqualTo(reset(ReasonCode.IDLE));
    assertThat(raw.isReset()).isTrue();
  }

  @ParameterizedTest
  @CsvSource({"f, d", "e, r"})
  void aHalfClosedSessionOfNoBytesIsAbortedAfterItsTimeout(String end, String other) {
    halfCloseTimeout = Duration.ofHours(1);
    begin(Side.RELAY);
    framed.pass(10, TimeUnit.HOURS);
    assertThat(ends).as("not half-closed yet").isEmpty();
    happen(end);
    framed.pass(3_599, TimeUnit.SECONDS);
    happen(other);
    framed.pass(3_599, TimeUnit.SECONDS);
    assertThat(ends).isEmpty();
    framed.pass(1, TimeUnit.SECONDS);
    assertThat(ends).containsExactly(ReasonCode.IDLE);
  }

  @Test
  void timeoutsOfZeroAreOff() {
    begin(Side.RELAY);
    framed.pass(365, TimeUnit.DAYS);
    happen("e");
    framed.pass(365, TimeUnit.DAYS);
    assertThat(ends).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"fe", "x"})
  void anEndedSessionHasNoTimerLeft(String end) {
    idleTimeout = Duration.ofSeconds(10);
    begin(Side.RELAY);
    happen(end);
    framed.written();
    receive(framed, DONE);
    framed.pass(1, TimeUnit.HOURS);
    assertThat(ends).hasSize(1).doesNotContain(ReasonCode.IDLE);
    assertThat(framed.written()).isEmpty();
  }

  // --- back-pressure ---

  /**
   * 160 KiB at 64 KiB a second are paid off after 2.5 s, and a quarter of a second may be ahead.
   */
  @Test
  void aSourceThatWasTooFastIsNotReadForAWhile() {
    long now = framed.eventLoop().ticker().nanoTime();
    RateLimit rate = RateLimit.of(64 * 1024, now);
    rates = SessionRates.of(List.of(rate), List.of());
    begin(Side.RELAY);
    receive(raw, "aa".repeat(160 * 1024));
    assertThat(framed.written()).isNotEmpty();
    assertThat(raw.config().isAutoRead()).isFalse();
    assertThat(framed.config().isAutoRead()).isTrue();
    framed.pass(2_249, TimeUnit.MILLISECONDS);
    assertThat(raw.config().isAutoRead()).isFalse();
    framed.pass(1, TimeUnit.MILLISECONDS);
    assertThat(raw.config().isAutoRead()).isTrue();
  }

  @Test
  void aSinkThatIsFullStopsItsSourceOnly() {
    begin(Side.RELAY);
    framed.stall();
    receive(raw, "aa".repeat(70_000));
    assertThat(raw.config().isAutoRead()).isFalse();
    assertThat(framed.config().isAutoRead()).isTrue();
    happen("d");
    assertThat(raw.written()).isEqualTo(BYTES_DOWN);
    framed.goOn();
    assertThat(raw.config().isAutoRead()).isTrue();

    raw.stall();
    receive(framed, ("15003000" + "aa".repeat(0x3000)).repeat(6));
    assertThat(framed.config().isAutoRead()).isFalse();
    assertThat(raw.config().isAutoRead()).isTrue();
    raw.goOn();
    assertThat(framed.config().isAutoRead()).isTrue();
    assertThat(budget.usedBytes()).isZero();
  }

  // --- helpers ---

  private void happen(String events) {
    for (char event : events.toCharArray()) {
      happen(event);
    }
  }

  private void happen(char event) {
    switch (event) {
      case 'r' -> receive(raw, BYTES_UP);
      case 'f' -> raw.receiveFin();
      case 'd' -> receive(framed, DATA_DOWN);
      case 'e' -> receive(framed, EOF);
      case 'p' -> receive(framed, PING);
      case 'o' -> receive(framed, DONE);
      case 'x' -> raw.receiveReset();
      default -> throw new IllegalArgumentException("event " + event);
    }
  }

  /** Past the channel's own check that it is open: what was read already comes after a close. */
  private void receive(SocketlessChannel channel, String hex) {
    ByteBuf bytes = channel.alloc().buffer().writeBytes(ByteBufUtil.decodeHexDump(hex));
    given.add(bytes);
    channel.pipeline().fireChannelRead(bytes);
    channel.pipeline().fireChannelReadComplete();
    channel.runPendingTasks();
  }

  private static String reset(ReasonCode reason) {
    return String.format("17000001%02x", reason.code());
  }
}
