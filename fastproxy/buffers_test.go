package fastproxy

import "testing"

func TestBuffersGrowWhileTheyFillAndShrinkWhenTheyDoNot(t *testing.T) {
	b := takeBuffer(smallBuffer)
	for i, step := range []struct{ read, most, size int }{
		{smallBuffer - 36, copyBuffer, maxHeadBytes},
		{maxHeadBytes - 36, maxHeadBytes, maxHeadBytes},
		{maxHeadBytes - 36, copyBuffer, copyBuffer},
		{copyBuffer, copyBuffer, copyBuffer},
		{copyBuffer, maxHeadBytes, copyBuffer},
		{copyBuffer / 2, copyBuffer, copyBuffer},
		{1, copyBuffer, smallBuffer},
		{1, copyBuffer, smallBuffer},
		{smallBuffer / 2, copyBuffer, smallBuffer},
	} {
		if b = fitBuffer(b, step.read, step.most); len(b) != step.size {
			t.Errorf("step %d: %d bytes, want %d", i, len(b), step.size)
		}
	}
	giveBuffer(b)
	for _, n := range []int{0, 1, firstBuffer, firstBuffer + 1, smallBuffer, maxHeadBytes, copyBuffer, copyBuffer + 1, 1 << 20} {
		if b := takeBuffer(n); len(b) < n {
			t.Errorf("%d bytes for %d", len(b), n)
		} else {
			giveBuffer(b)
		}
	}
}
