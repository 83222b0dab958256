package io.c2crelay.relay;

import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.c2crelay.common.bridge.BridgeSettings;
import io.c2crelay.common.bridge.BufferBudget;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.FrameDecoder;
import io.c2crelay.common.protocol.FrameEncoder;
import io.c2crelay.common.protocol.InstanceId;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.ProtocolException;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.RelayProtocol;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.protocol.Token;
import io.c2crelay.common.testing.ByteRecord;
import io.c2crelay.common.testing.MemorySocket;
import io.c2crelay.common.testing.Script;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.relay.address.AgentAddresses;
import io.c2crelay.relay.address.ClientAddress;
import io.c2crelay.relay.address.ClientNetwork;
import io.c2crelay.relay.events.RelayEvents;
import io.c2crelay.relay.listen.ConnectionClassifier;
import io.c2crelay.relay.listen.ConnectionRouter;
import io.c2crelay.relay.session.AgentLink;
import io.c2crelay.relay.session.DataConnectionHandler;
import io.c2crelay.relay.session.Dispatcher;
import io.c2crelay.relay.session.DispatcherSettings;
import io.c2crelay.relay.session.Dispatchers;
import io.c2crelay.relay.session.UserConnection;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.ChannelPromise;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.util.concurrent.MockTicker;
import io.netty.util.concurrent.Ticker;
import java.net.InetSocketAddress;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/**
 * Users and data connections that do anything, together, from classification to the end of the
 * sessions: every byte stays in its session and in order, an end that looks orderly is one, and
 * nothing is left when all is over.
 *
 * <p>An input is a sequence of steps, one byte each, and what they need.
 */
class SessionsFuzzTest {
  private static final RelayEvents EVENTS = new RelayEvents();
  private static final int EACH = 4;
  private static final int MAX_SENT = 1 << 20;

  /** What four users and four data connections may hold: 64 KiB and a read, each way. */
  private static final int MAX_HELD = 2 * EACH * (64 + 64) * 1024;

  private static final int[] MILLIS = {1, 25, 999, 1000, 3000, 5000, 15_000, 20_000, 30_000};
  private static final byte[] PREAMBLE = Preamble.of(Preamble.Kind.DATA).toBytes();

  private enum Step {
    /** Which user the next steps are about; a closed one is replaced by a new one. */
    USER,
    /** Length, bytes. */
    USER_SENDS,
    /** How many KiB. */
    USER_FLOODS,
    /** How many bytes of a preamble. */
    USER_BEGINS_A_PREAMBLE,
    /** FIN, reset, stops reading, reads on. */
    USER_DOES,
    /** Which data connection the next steps are about; a closed one is replaced by a new one. */
    DATA_CONNECTION,
    /** The next that the agent was told (even), or another. */
    CLAIM,
    /** Type, length, that many bytes. */
    FRAME,
    /** How many frames of DATA with 1000 bytes. */
    DATA_FLOODS,
    /** Length, bytes. */
    BYTES,
    /** FIN, reset, stops reading, reads on. */
    DATA_DOES,
    /** An index of {@link #MILLIS}. */
    PASS,
    /** Is heard, attaches, detaches, leaves, fails a dial. */
    AGENT_DOES
  }

  /** A connection to the relay, and what was sent to it. */
  private abstract static class Peer {
    final ClientAddress client;
    final MemorySocket channel;
    final ByteRecord sent = new ByteRecord();
    boolean finished;

    Peer(Relay relay, int port, boolean halfClosure) {
      InetSocketAddress remote = new InetSocketAddress("198.51.100.7", port);
      client = ClientAddress.of(remote, new InetSocketAddress("192.0.2.1", 4000));
      channel = new MemorySocket(remote, halfClosure, relay.allocator);
    }

    void begin(Relay relay, ChannelHandler... handlers) {
      channel.pipeline().addLast(handlers);
      relay.loops.get(relay.nextLoop++ % 2).eventLoop().register(channel);
    }

    void send(byte[] bytes) {
      if (channel.peerMaySend() && sent.size() < MAX_SENT) {
        sent.writeBytes(bytes);
        channel.peerSends(bytes);
      }
    }

    void does(int what) {
      switch (what % 4) {
        case 0 -> {
          finished |= channel.peerMaySend();
          channel.peerFinishes();
        }
        case 1 -> channel.peerResets();
        case 2 -> channel.peerStalls();
        default -> channel.peerGoesOn();
      }
    }
  }

  private static final class UserPeer extends Peer implements ConnectionRouter {
    private final Relay relay;
    private final List<CarriedSession> servedBy = new ArrayList<>();
    private final ByteRecord got = new ByteRecord();
    private UserConnection user;
    private int preambleSent;
    private boolean agent;

    UserPeer(Relay relay, int port) {
      super(relay, port, true);
      this.relay = relay;
      begin(relay, new ConnectionClassifier(() -> MILLISECONDS.toNanos(25), this));
    }

    void beginPreamble(int length) {
      int to = Math.min(PREAMBLE.length, preambleSent + length);
      send(Arrays.copyOfRange(PREAMBLE, preambleSent, to));
      preambleSent = to;
    }

    @Override
    public void user(boolean silent) {
      user = UserConnection.enter(channel, client, relay.dispatcher, EVENTS, silent);
    }

    @Override
    public void confirmed() {
      user.confirm();
    }

    @Override
    public void tlsFirst() {
      agent = true;
    }

    @Override
    public void invalidPreamble() {}

    @Override
    public void misclassified() {
      user.misclassified();
    }

    @Override
    public void magic() {
      agent = true;
    }

    @Override
    public void agent(Preamble preamble) {
      Sockets.reset(channel); // what it says then is not the matter here
    }

    void check() {
      channel.checkExceptionsHandled();
      got.writeBytes(channel.peerTakes());
      if (servedBy.isEmpty()) {
        assertThat(got.size()).as("bytes from nowhere").isZero();
        return;
      }
      CarriedSession data = servedBy.get(servedBy.size() - 1);
      assertThat(servedBy.subList(0, servedBy.size() - 1))
          .as("data connections that had this user before")
          .allMatch(before -> before.toAgent.size() == 0 && !before.eofToAgent);
      got.assertPrefixOf(data.dataSent, "what the agent sent");
      boolean leftWithoutAWord = finished && sent.size() == 0;
      if (channel.peerSawFin() && !agent && !leftWithoutAWord) {
        assertThat(data.eofSent).as("the end was the agent's").isTrue();
        assertThat(got.size()).as("bytes before the end").isEqualTo(data.dataSent.size());
      }
    }
  }

  /** One of the sessions that a data connection carries, one after the other. */
  private static final class CarriedSession {
    private final ByteRecord dataSent = new ByteRecord();
    private final ByteRecord toAgent = new ByteRecord();
    private @Nullable UserPeer user;
    private boolean startedSent;
    private boolean eofSent;
    private boolean doneSent;
    private boolean eofToAgent;
    private boolean doneToAgent;
    private boolean doneWritten;

    void heard(Frame frame) {
      boolean end = frame instanceof Frame.Reset || frame instanceof Frame.Done;
      assertThat(eofToAgent && !end).as("%s after EOF", frame).isFalse();
      assertThat(doneToAgent).as("%s after DONE", frame).isFalse();
      if (frame instanceof Frame.Data) {
        toAgent.add(((Frame.Data) frame).content());
      }
      eofToAgent |= frame instanceof Frame.Eof;
      doneToAgent |= frame instanceof Frame.Done;
    }

    void check() {
      if (user == null) {
        assertThat(toAgent.size()).as("bytes of no user").isZero();
        return;
      }
      toAgent.assertPrefixOf(user.sent, "what the user sent");
      if (eofToAgent) {
        assertThat(toAgent.size()).as("bytes before EOF").isEqualTo(user.sent.size());
      }
      if (!startedSent) {
        assertThat(toAgent.size()).as("early").isLessThanOrEqualTo(RelayProtocol.MAX_EARLY_BYTES);
      }
    }
  }

  private static final class DataPeer extends Peer {
    private final Relay relay;
    private final EmbeddedChannel fromRelay = new EmbeddedChannel(FrameDecoder.ofData());
    private final EmbeddedChannel fromHere = new EmbeddedChannel(FrameDecoder.ofData());
    private final List<CarriedSession> sessions = new ArrayList<>();

    /** Sessions of which the relay has written START, and of which the agent has sent DONE. */
    private int starts;

    private int donesSent;
    private boolean broken;
    private boolean ready;
    private int startsHeard;

    DataPeer(Relay relay, int port) {
      super(relay, port, false);
      this.relay = relay;
      begin(
          relay,
          FrameDecoder.ofData(),
          FrameEncoder.INSTANCE,
          new ChannelOutboundHandlerAdapter() {
            @Override
            public void write(ChannelHandlerContext ctx, Object msg, ChannelPromise promise) {
              if (msg instanceof Frame.Start) {
                givenTo((Frame.Start) msg);
              } else if (msg instanceof Frame.Done) {
                session(starts - 1).doneWritten = true;
              }
              ctx.write(msg, promise);
            }
          },
          new DataConnectionHandler(
              channel, client, relay.dispatchers, relay.settings, EVENTS, () -> ready = true));
    }

    /** As START is written: the agent may not have it yet, and answer all the same. */
    private void givenTo(Frame.Start start) {
      if (starts > 0) {
        CarriedSession before = session(starts - 1);
        assertThat(before.doneSent && before.doneWritten).as("both ends are done").isTrue();
      }
      CarriedSession next = session(starts);
      starts++;
      next.user = relay.byPort.get(start.user().getPort());
      next.user.servedBy.add(next);
    }

    private CarriedSession session(int index) {
      while (sessions.size() <= index) {
        sessions.add(new CarriedSession());
      }
      return sessions.get(index);
    }

    @Override
    void send(byte[] bytes) {
      if (!channel.peerMaySend() || sent.size() >= MAX_SENT) {
        return;
      }
      super.send(bytes);
      try {
        if (!broken) {
          fromHere.writeInbound(Unpooled.wrappedBuffer(bytes));
        }
      } catch (ProtocolException e) {
        broken = true;
      }
      for (Frame frame = fromHere.readInbound(); frame != null; frame = fromHere.readInbound()) {
        CarriedSession session = session(donesSent);
        session.startedSent |= frame instanceof Frame.Started;
        if (frame instanceof Frame.Data && !session.eofSent) {
          session.dataSent.add(((Frame.Data) frame).content());
        }
        session.eofSent |= frame instanceof Frame.Eof;
        if (frame instanceof Frame.Done) {
          session.doneSent = true;
          donesSent++;
        }
      }
    }

    void hear() {
      byte[] bytes = channel.peerTakes();
      if (bytes.length > 0) {
        fromRelay.writeInbound(Unpooled.wrappedBuffer(bytes));
      }
      for (Frame frame = fromRelay.readInbound(); frame != null; frame = fromRelay.readInbound()) {
        heard(frame);
      }
    }

    private void heard(Frame frame) {
      assertThat(ready).as("its token was good before %s", frame).isTrue();
      if (frame instanceof Frame.Start) {
        startsHeard++;
      } else if (startsHeard > 0
          && !(frame instanceof Frame.Ping && session(startsHeard - 1).doneToAgent)) {
        session(startsHeard - 1).heard(frame);
      }
    }

    void check() {
      channel.checkExceptionsHandled();
      sessions.forEach(CarriedSession::check);
    }
  }

  private static final class Relay implements AgentLink {
    final MockTicker ticker = Ticker.newMockTicker();
    final UnpooledByteBufAllocator allocator = new UnpooledByteBufAllocator(false, true);
    final List<EmbeddedChannel> loops = List.of(loop(), loop(), loop());
    final SecureRandom random = new SecureRandom();
    final AgentAddresses addresses = new AgentAddresses();
    final BufferBudget budget = BufferBudget.ofBytes(64 << 20);
    final Dispatchers dispatchers =
        new Dispatchers(
            loops.get(2).eventLoop(),
            DispatcherSettings.of(2, Duration.ofSeconds(15), 100),
            budget,
            addresses,
            random,
            EVENTS);
    final Dispatcher dispatcher = dispatchers.create(ServiceName.DEFAULT);
    final BridgeSettings settings =
        BridgeSettings.of(
            BridgeSettings.Side.RELAY, budget, Duration.ofMinutes(5), Duration.ofMinutes(1));
    final UserPeer[] users = new UserPeer[EACH];
    final DataPeer[] data = new DataPeer[EACH];
    final Map<Integer, UserPeer> byPort = new HashMap<>();
    final List<Peer> all = new ArrayList<>();
    final Deque<Frame.Dial.DialRequest> asked = new ArrayDeque<>();
    final InstanceId instance = InstanceId.random(random);
    int nextLoop;
    int nextPort = 1;
    long heardNanos;
    boolean attached;

    private EmbeddedChannel loop() {
      return EmbeddedChannel.builder().ticker(ticker).build();
    }

    UserPeer user(int index) {
      if (users[index] == null || !users[index].channel.isOpen()) {
        int port = nextPort++;
        users[index] = new UserPeer(this, port);
        byPort.put(port, users[index]);
        all.add(users[index]);
      }
      return users[index];
    }

    DataPeer dataConnection(int index) {
      if (data[index] == null || !data[index].channel.isOpen()) {
        data[index] = new DataPeer(this, nextPort++);
        all.add(data[index]);
      }
      return data[index];
    }

    void agentDoes(int what) {
      switch (what % 5) {
        case 0 -> heardNanos = ticker.nanoTime();
        case 1 -> attach();
        case 2 -> detach();
        case 3 -> dispatcher.draining(this);
        default -> {
          if (!asked.isEmpty()) {
            dispatcher.dialFailed(this, asked.remove().token(), ReasonCode.AGENT_LOST);
          }
        }
      }
    }

    void attach() {
      if (!attached) {
        attached = true;
        heardNanos = ticker.nanoTime();
        addresses.attached(network(), heardNanos);
        dispatcher.attached(this);
      }
    }

    void detach() {
      if (attached) {
        attached = false;
        addresses.detached(network(), ticker.nanoTime());
        dispatcher.detached(this);
      }
    }

    void pass(long millis) {
      ticker.advance(millis, MILLISECONDS);
      run();
    }

    /** Until nothing moves any more. */
    void run() {
      boolean moved = true;
      while (moved || loops.stream().anyMatch(EmbeddedChannel::hasPendingTasks)) {
        for (EmbeddedChannel loop : loops) {
          loop.runScheduledPendingTasks();
          loop.runPendingTasks();
        }
        moved = false;
        for (Peer peer : all) {
          moved |= peer.channel.pump();
        }
      }
      for (Peer peer : all) {
        if (peer instanceof DataPeer) {
          ((DataPeer) peer).hear();
        }
      }
      for (Peer peer : all) {
        if (peer instanceof DataPeer) {
          ((DataPeer) peer).check();
        } else {
          ((UserPeer) peer).check();
        }
      }
      assertThat(allocator.metric().usedHeapMemory()).as("bytes held").isLessThan(MAX_HELD);
    }

    void assertNothingLeft() {
      all.forEach(peer -> peer.does(1));
      run();
      detach();
      pass(60_000);
      assertThat(dispatchers.stats())
          .isEqualTo("agents=0 warm=0 tokens=0 waiting=0 sessions=0 buffered=0");
      assertThat(allocator.metric().usedHeapMemory()).as("bytes leaked").isZero();
      assertThat(allocator.metric().usedDirectMemory()).as("bytes leaked").isZero();
    }

    @Override
    public InstanceId instance() {
      return instance;
    }

    @Override
    public String name() {
      return "a";
    }

    @Override
    public ClientNetwork network() {
      return ClientNetwork.of(new InetSocketAddress("198.51.100.7", 1));
    }

    @Override
    public long lastHeardNanos() {
      return heardNanos;
    }

    @Override
    public void dial(List<Frame.Dial.DialRequest> dialRequests) {
      asked.addAll(dialRequests);
    }

    @Override
    public void goAway(ReasonCode reason) {}
  }

  @FuzzTest
  void steps(byte[] input) {
    play(Script.of(input)).assertNothingLeft();
  }

  /** Otherwise the fuzzer would test nothing. */
  @Test
  void scriptReachesTheThirdSession() {
    Relay relay = play(Script.ofSeed(getClass(), "three-sessions-on-one-connection"));
    assertThat(relay.data[0].sessions)
        .filteredOn(session -> session.user != null && session.eofToAgent)
        .hasSize(3);
    relay.assertNothingLeft();
  }

  private static Relay play(Script script) {
    Relay relay = new Relay();
    relay.attach();
    UserPeer user = relay.user(0);
    DataPeer data = relay.dataConnection(0);
    relay.run();
    while (script.hasNext()) {
      switch (script.oneOf(Step.values())) {
        case USER -> user = relay.user(script.unsignedByte() % EACH);
        case USER_SENDS -> user.send(script.bytes());
        case USER_FLOODS -> user.send(new byte[1024 * script.unsignedByte()]);
        case USER_BEGINS_A_PREAMBLE -> user.beginPreamble(script.unsignedByte() % 17);
        case USER_DOES -> user.does(script.unsignedByte());
        case DATA_CONNECTION -> data = relay.dataConnection(script.unsignedByte() % EACH);
        case CLAIM -> {
          boolean right = script.isEven() && !relay.asked.isEmpty();
          Token token = right ? relay.asked.remove().token() : Token.random(relay.random);
          data.send(Script.frame(Frame.Claim.of(token)));
        }
        case FRAME -> {
          int type = script.unsignedByte();
          data.send(Script.frame(type, script.bytes()));
        }
        case DATA_FLOODS -> {
          for (int i = script.unsignedByte(); i > 0; i--) {
            data.send(Script.frame(0x15, new byte[1000]));
          }
        }
        case BYTES -> data.send(script.bytes());
        case DATA_DOES -> data.does(script.unsignedByte());
        case PASS -> relay.pass(script.oneOf(MILLIS));
        case AGENT_DOES -> relay.agentDoes(script.unsignedByte());
      }
      relay.run();
    }
    return relay;
  }
}
