package io.c2crelay.common.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 10, unit = TimeUnit.SECONDS)
class StopSignalsTest {
  private final List<Integer> halts = new ArrayList<>();
  private final StopSignals signals = new StopSignals(halts::add);

  @Test
  void firstSignalRequestsStop() {
    signals.received(15);
    signals.await();
    assertThat(halts).isEmpty();
  }

  @Test
  void secondSignalHalts() {
    signals.received(15);
    signals.received(2);
    assertThat(halts).containsExactly(130);
  }

  @Test
  void interruptReturnsFromAwait() {
    Thread.currentThread().interrupt();
    signals.await();
    assertThat(Thread.interrupted()).isTrue();
  }
}
