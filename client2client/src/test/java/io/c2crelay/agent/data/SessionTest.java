package io.c2crelay.agent.data;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.agent.events.ServiceEvents;
import io.c2crelay.common.bridge.BridgeSettings;
import io.c2crelay.common.bridge.BufferBudget;
import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.common.testing.MemorySocket;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.util.concurrent.Promise;
import java.net.ConnectException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A session before its target has answered. */
class SessionTest {
  private static final InetSocketAddress ANY = new InetSocketAddress("192.0.2.7", 1);

  private final EmbeddedChannel data = new EmbeddedChannel();
  private boolean open = true;
  private int timesFree;
  private final SessionTracker tracker = new SessionTracker();
  private final Promise<MemorySocket> dialling = data.eventLoop().newPromise();
  private final MemorySocket target = new MemorySocket(ANY, true, UnpooledByteBufAllocator.DEFAULT);

  @BeforeEach
  void start() {
    BridgeSettings settings =
        BridgeSettings.of(
            BridgeSettings.Side.AGENT, BufferBudget.ofBytes(1 << 20), Duration.ZERO, Duration.ZERO);
    ServiceEvents events = new ServiceEvents(ServiceName.DEFAULT, "relay", 4000);
    new SessionStarter((loop, session) -> dialling, settings, tracker, events)
        .start(
            data,
            Frame.Start.of(1, ANY, ANY),
            new ConnectionReturn() {
              @Override
              public boolean isOpen() {
                return open;
              }

              @Override
              public void takeBack(Channel free) {
                timesFree++;
                if (!open) {
                  free.eventLoop().schedule(() -> free.close(), 1, TimeUnit.SECONDS);
                }
              }
            });
  }

  @AfterEach
  void release() {
    if (target.isRegistered()) {
      target.close();
    }
    data.finishAndReleaseAll();
  }

  private void targetAccepts() {
    target.config().setAutoRead(false);
    data.eventLoop().register(target);
    dialling.setSuccess(target);
    data.runPendingTasks();
    target.pump();
    data.runPendingTasks();
  }

  /** A user may write in the smallest pieces. */
  @Test
  void manySmallEarlyFramesAreDelivered() {
    for (int i = 0; i < 64 * 1024; i++) {
      data.writeInbound(Frame.Data.of(data.alloc().buffer(1).writeByte(i)));
    }
    data.writeInbound(Frame.Eof.INSTANCE);
    assertThat(data.isOpen()).isTrue();
    targetAccepts();
    assertThat(data.<Frame>readOutbound()).isSameAs(Frame.Started.INSTANCE);
    byte[] received = target.peerTakes();
    assertThat(received).hasSize(64 * 1024);
    assertThat(received[1000]).isEqualTo((byte) 1000);
    assertThat(target.peerSawFin()).isTrue();
  }

  @Test
  void tooMuchEarlyDataIsAnError() {
    data.writeInbound(Frame.Data.of(Unpooled.wrappedBuffer(new byte[64 * 1024])));
    data.writeInbound(Frame.Data.of(Unpooled.wrappedBuffer(new byte[1])));
    assertEnded(ReasonCode.PROTOCOL);
  }

  @Test
  void dataAfterEarlyEofIsAnError() {
    data.writeInbound(Frame.Eof.INSTANCE, Frame.Data.of(Unpooled.wrappedBuffer(new byte[1])));
    assertEnded(ReasonCode.PROTOCOL);
  }

  @Test
  void abortTellsTheRelay() {
    tracker.abortAll(ReasonCode.DRAINING);
    data.runPendingTasks();
    assertEnded(ReasonCode.DRAINING);
    assertThat(dialling.isCancelled()).isTrue();
  }

  /** The relay has not closed after FAILED. */
  @Test
  void abortAfterFailedCloses() {
    dialling.setFailure(new ConnectException("refused"));
    data.runPendingTasks();
    assertThat(data.<Frame>readOutbound()).isInstanceOf(Frame.Failed.class);
    assertAborts();
  }

  @Test
  void doneOfBothEndsFreesTheConnection() {
    targetAccepts();
    data.writeInbound(Frame.Eof.INSTANCE);
    target.peerFinishes();
    target.pump();
    data.runPendingTasks();
    assertThat(data.<Frame>readOutbound()).isSameAs(Frame.Started.INSTANCE);
    assertThat(data.<Frame>readOutbound()).isSameAs(Frame.Eof.INSTANCE);
    assertThat(data.<Frame>readOutbound()).isInstanceOf(Frame.Done.class);
    assertThat(tracker.size()).isEqualTo(1);
    data.writeInbound(Frame.Done.of(1));
    assertThat(timesFree).isEqualTo(1);
    assertThat(tracker.size()).isZero();
    assertThat(data.isOpen()).isTrue();
    assertThat(data.pipeline().names()).hasSize(1);
  }

  /** The agent began to detach after its DONE: the relay may have sent START after its own. */
  @Test
  void connectionThatReturnsDuringADrainDelaysTheStop() {
    data.freezeTime();
    targetAccepts();
    data.writeInbound(Frame.Eof.INSTANCE);
    target.peerFinishes();
    target.pump();
    data.runPendingTasks();
    open = false;
    data.writeInbound(Frame.Done.of(1));
    assertThat(timesFree).isEqualTo(1);
    assertThat(tracker.drain().isDone()).isFalse();
    data.advanceTimeBy(1, TimeUnit.SECONDS);
    data.runScheduledPendingTasks();
    assertThat(tracker.drain().isDone()).isTrue();
  }

  /** The relay still delivers to a slow user. */
  @Test
  void abortAfterTheLastByteCloses() {
    targetAccepts();
    data.writeInbound(Frame.Eof.INSTANCE);
    target.peerFinishes();
    target.pump();
    data.runPendingTasks();
    assertThat(data.isOpen()).isTrue();
    assertAborts();
  }

  private void assertAborts() {
    tracker.abortAll(ReasonCode.DRAINING);
    data.runPendingTasks();
    assertThat(data.isOpen()).isFalse();
    assertThat(tracker.drain().isSuccess()).isTrue();
  }

  private void assertEnded(ReasonCode reason) {
    assertThat(((Frame.Reset) data.readOutbound()).reason()).isSameAs(reason);
    assertThat(data.isOpen()).isFalse();
    assertThat(tracker.drain().isSuccess()).isTrue();
  }
}
